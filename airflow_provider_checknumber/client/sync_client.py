"""The service from synchronous code, on ``requests``. What is said is in ``protocol``; this moves the bytes."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from types import TracebackType

import requests
import urllib3
from requests_toolbelt.multipart.encoder import MultipartEncoder
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from airflow_provider_checknumber.client import faults, protocol
from airflow_provider_checknumber.client.endpoint import Endpoint
from airflow_provider_checknumber.client.errors import InvalidConnectionError
from airflow_provider_checknumber.client.models import Task
from airflow_provider_checknumber.client.protocol import Answer, Call
from airflow_provider_checknumber.client.timing import Timing, pause_before_next_try, worth_another_try
from airflow_provider_checknumber.client.upload import WatchedFile


class CheckNumberClient:
    """
    A synchronous client for one endpoint; a context manager that closes its connections.

    :param endpoint: host and key.
    :param timing: timeouts and number of tries.
    """

    def __init__(self, endpoint: Endpoint, *, timing: Timing | None = None) -> None:
        self.endpoint = endpoint
        self.timing = timing or Timing()
        self._session = requests.Session()
        self._retrying = Retrying(
            stop=stop_after_attempt(self.timing.attempts),
            wait=pause_before_next_try,
            retry=retry_if_exception(worth_another_try),
            reraise=True,
        )

    def __enter__(self) -> CheckNumberClient:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def submit_task(self, number_file: Path, task_type: str) -> Task:
        """
        Submit a file of E.164 numbers, one a line. This is billed, and tried exactly once.

        :param number_file: the file; it is streamed.
        :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``.
        :return: the task as accepted.
        :raises CheckNumberError: whose ``create_accepted`` tells whether the service may have taken it.
        """
        call = protocol.create_call(task_type)
        with number_file.open("rb") as file:
            watched = WatchedFile(file)
            body = MultipartEncoder({**call.fields, "file": ("numbers.txt", watched, "text/plain")})
            # A connection of its own: a pooled one that the server has meanwhile closed would break
            # after the upload began, and leave open whether the create was taken.
            with requests.Session() as session:
                headers = {"Content-Type": body.content_type, "Connection": "close"}
                answer = self._send(
                    session,
                    call,
                    body=body,
                    headers=headers,
                    read_timeout=self.timing.submit,
                    watched=watched,
                )
        return protocol.read_created(answer, call=call, endpoint=self.endpoint)

    def get_task(self, checknumber_task_id: str) -> Task:
        """
        Ask how a task stands. Free; repeated on transient errors.

        :param checknumber_task_id: the service's id.
        :raises CheckNumberError: as ``errors`` draws it.
        """
        call = protocol.get_call(checknumber_task_id)
        return self._retrying(
            lambda: protocol.read_task(self._send_read(call), call=call, endpoint=self.endpoint)
        )

    def get_balance(self) -> Decimal | None:
        """
        Ask for the balance, in the account's currency. Free; repeated on transient errors.

        :return: None where the deployment has no such call.
        :raises CheckNumberError: as ``errors`` draws it.
        """
        call = protocol.balance_call()
        return self._retrying(
            lambda: protocol.read_balance(self._send_read(call), call=call, endpoint=self.endpoint)
        )

    def _send_read(self, call: Call) -> Answer:
        return self._send(self._session, call, body=dict(call.fields) or None, read_timeout=self.timing.read)

    def _send(
        self,
        session: requests.Session,
        call: Call,
        *,
        body: MultipartEncoder | dict[str, str] | None,
        read_timeout: float,
        headers: dict[str, str] | None = None,
        watched: WatchedFile | None = None,
    ) -> Answer:
        try:
            with session.request(
                call.method,
                self.endpoint.base_url + call.path,
                data=body,
                headers={"X-API-Key": self.endpoint.api_key, "Accept": "application/json", **(headers or {})},
                timeout=(self.timing.connect, read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read_answer(response, deadline=time.monotonic() + self.timing.read)
        except (requests.exceptions.InvalidURL, UnicodeError):
            raise InvalidConnectionError(
                f"The connection's host {self.endpoint.host} is not a valid host name: correct it."
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if watched is not None and not watched.begun:
                raise faults.unreachable(self.endpoint, error) from None
            if watched is None and _never_connected(error):
                raise faults.unreachable(self.endpoint, error) from None
            raise faults.lost(self.endpoint, error) from None


def _never_connected(error: Exception) -> bool:
    """Tell for a read, where it only matters for the message, whether a connection stood at all."""
    kinds = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, kinds) or type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def _read_answer(response: requests.Response, *, deadline: float) -> Answer:
    """Read the body, bounded in bytes and in time, so that a host that drips cannot hold the worker."""
    body = bytearray()
    # read1 returns what has arrived; requests' own iterators wait until a whole block has.
    while chunk := response.raw.read1(65_536, decode_content=True):
        body += chunk
        if len(body) > protocol.MAX_ANSWER_BYTES:
            break
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, bytes(body[: protocol.MAX_ANSWER_BYTES]))
