"""The service from an event loop, on ``aiohttp``. What is said is in ``protocol``; this moves the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlencode

import aiohttp
from requests.utils import get_environ_proxies, select_proxy
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from airflow_provider_checknumber.client import faults, protocol
from airflow_provider_checknumber.client.endpoint import Endpoint
from airflow_provider_checknumber.client.errors import InvalidConnectionError
from airflow_provider_checknumber.client.models import Task
from airflow_provider_checknumber.client.protocol import Answer, Call
from airflow_provider_checknumber.client.timing import Timing, pause_before_next_try, worth_another_try
from airflow_provider_checknumber.client.tls import ssl_context
from airflow_provider_checknumber.client.upload import WatchedFile

#: Connections that one client keeps open at most, however many tasks wait through it.
MAX_CONNECTIONS = 32

_FORM = "application/x-www-form-urlencoded"

T = TypeVar("T")


class AsyncCheckNumberClient:
    """
    An asynchronous client for one endpoint and one event loop; an async context manager.

    :param endpoint: host and key.
    :param timing: timeouts and number of tries.
    """

    def __init__(self, endpoint: Endpoint, *, timing: Timing | None = None) -> None:
        self.endpoint = endpoint
        self.timing = timing or Timing()
        self._session: aiohttp.ClientSession | None = None
        self._proxy = _proxy_for(endpoint.base_url)
        # Made once: a question is small, and this was a tenth of what it costs.
        self._headers = {"X-API-Key": endpoint.api_key, "Accept": "application/json"}
        self._read_timeout = self._timeout(self.timing.read)

    async def __aenter__(self) -> AsyncCheckNumberClient:
        """Open the session."""
        self._session = _new_session(limit=MAX_CONNECTIONS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def submit_task(self, number_file: Path, task_type: str) -> Task:
        """Submit a file of E.164 numbers; see :meth:`CheckNumberClient.submit_task`. Billed, tried once."""
        call = protocol.create_call(task_type)
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(None, number_file.open, "rb")
        try:
            watched = WatchedFile(file)
            form = aiohttp.FormData(call.fields)
            form.add_field("file", watched, filename="numbers.txt", content_type="text/plain")
            # A connection of its own, for the reason that the synchronous client gives.
            async with _new_session(limit=1) as session:
                answer = await self._send(
                    session, call, body=form, patience=self._timeout(self.timing.submit), watched=watched
                )
        finally:
            file.close()
        return protocol.read_created(answer, call=call, endpoint=self.endpoint)

    async def get_task(self, checknumber_task_id: str) -> Task:
        """Ask how a task stands; see :meth:`CheckNumberClient.get_task`."""
        call = protocol.get_call(checknumber_task_id)
        return await self._retrying(call, protocol.read_task)

    async def get_balance(self) -> Decimal | None:
        """Ask for the balance; see :meth:`CheckNumberClient.get_balance`."""
        call = protocol.balance_call()
        return await self._retrying(call, protocol.read_balance)

    def _timeout(self, read: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(sock_connect=self.timing.connect, sock_read=read)

    async def _retrying(self, call: Call, read: Callable[..., T]) -> T:
        if self._session is None:
            raise RuntimeError("Use the client as an async context manager.")
        if self.timing.attempts == 1:  # As all the waits ask; tenacity takes longer than the rest of it.
            return await self._try(self._session, call, read)
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(self.timing.attempts),
            wait=pause_before_next_try,
            retry=retry_if_exception(worth_another_try),
            reraise=True,
        ):
            with attempt:
                return await self._try(self._session, call, read)
        raise AssertionError("tenacity returns or raises")

    async def _try(self, session: aiohttp.ClientSession, call: Call, read: Callable[..., T]) -> T:
        # Not aiohttp.FormData, which makes a multipart boundary first: a sixth of the CPU that a question costs.
        body = (
            aiohttp.BytesPayload(urlencode(call.fields).encode(), content_type=_FORM) if call.fields else None
        )
        answer = await self._send(session, call, body=body, patience=self._read_timeout)
        return read(answer, call=call, endpoint=self.endpoint)

    async def _send(
        self,
        session: aiohttp.ClientSession,
        call: Call,
        *,
        body: aiohttp.FormData | aiohttp.BytesPayload | None,
        patience: aiohttp.ClientTimeout,
        watched: WatchedFile | None = None,
    ) -> Answer:
        try:
            async with session.request(
                call.method,
                self.endpoint.base_url + call.path,
                data=body,
                headers=self._headers,
                timeout=patience,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                # A short one has come with its headers.
                async with asyncio.timeout(None if response.content.is_eof() else self.timing.read):
                    return await _read_answer(response)
        except (aiohttp.InvalidURL, UnicodeError):
            raise InvalidConnectionError(
                f"The connection's host {self.endpoint.host} is not a valid host name: correct it."
            ) from None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            never_connected = isinstance(
                error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
            )
            if never_connected if watched is None else not watched.begun:
                raise faults.unreachable(self.endpoint, error) from None
            raise faults.lost(self.endpoint, error) from None


def _new_session(*, limit: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, ssl=ssl_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _proxy_for(url: str) -> str | None:
    """
    Return the proxy that requests would take: one that the worker needs, the triggerer needs too.

    aiohttp's own ``trust_env`` looks it up for every request, in a thread.
    """
    proxy: str | None = select_proxy(url, get_environ_proxies(url))
    return proxy if proxy and proxy.startswith(("http://", "https://")) else None


async def _read_answer(response: aiohttp.ClientResponse) -> Answer:
    """Read the body, bounded in bytes; the caller bounds it in time."""
    body = bytearray()
    while not response.content.at_eof() and len(body) <= protocol.MAX_ANSWER_BYTES:
        body += await response.content.readany()
    return Answer(response.status, response.headers, bytes(body[: protocol.MAX_ANSWER_BYTES]))
