"""Connections of type ``checknumber`` and ``ekycpro``, and the calls that they give access to.

Not for: deciding whether a submission may be repeated (``operators``), or reading results (``results``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_checknumber.client import (
    AsyncCheckNumberClient,
    AuthenticationError,
    BadRequestError,
    CheckNumberClient,
    CheckNumberError,
    Endpoint,
    InvalidConnectionError,
    ServiceUnreachableError,
    Task,
    TaskNotFoundError,
    Timing,
    make_endpoint,
)
from airflow_provider_checknumber.get_provider_info import connection_form_widgets, ui_field_behaviour

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

#: Asked for when a connection is tested: no task has this id, so the answer tells about the key alone.
_NO_TASK = "connection-test"


class CheckNumberHook(BaseHook):
    """
    Talk to CheckNumber or eKYC Pro, which share one protocol.

    A connection of either type works: its type decides which service is asked, unless it names a host.
    The API key is the connection's password. Extra fields: ``read_timeout`` (seconds for the answer to
    a read, default 60), ``submit_timeout`` (seconds for the answer to a submission, default 600).

    .. code-block:: python

        hook = CheckNumberHook("checknumber_default")
        task = hook.submit_task(Path("numbers.txt"), "Twitter")  # billed
        hook.get_task(task.task_id).status

    :param checknumber_conn_id: the Airflow connection.
    """

    conn_name_attr = "checknumber_conn_id"
    default_conn_name = "checknumber_default"
    conn_type = "checknumber"
    hook_name = "CheckNumber"

    def __init__(self, checknumber_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.checknumber_conn_id = checknumber_conn_id or self.default_conn_name

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels, placeholders and hidden fields of the connection form."""
        return ui_field_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form."""
        return connection_form_widgets()

    @cached_property
    def _settings(self) -> tuple[Endpoint, Timing]:
        connection = self.get_connection(self.checknumber_conn_id)
        return self._read_connection(connection, connection.extra_dejson)

    async def _asettings(self) -> tuple[Endpoint, Timing]:
        connection = await get_async_connection(self.checknumber_conn_id)
        return self._read_connection(connection, await get_async_extra_dejson(connection))

    def _read_connection(self, connection: Connection, extra: dict[str, Any]) -> tuple[Endpoint, Timing]:
        if connection.password:
            mask_secret(connection.password)
        try:
            endpoint = make_endpoint(
                conn_type=connection.conn_type or self.conn_type,
                host=connection.host,
                api_key=connection.password,
                scheme=connection.schema,
                port=connection.port,
            )
            timing = Timing(
                read=_seconds(extra, "read_timeout", Timing.read),
                submit=_seconds(extra, "submit_timeout", Timing.submit),
            )
        except InvalidConnectionError as error:
            raise InvalidConnectionError(f"Connection {self.checknumber_conn_id!r}: {error}") from None
        return endpoint, timing

    @property
    def endpoint(self) -> Endpoint:
        """
        Return the service's base URL and the key.

        :raises InvalidConnectionError: the connection cannot be used.
        """
        return self._settings[0]

    def get_conn(self, *, attempts: int = Timing.attempts) -> CheckNumberClient:
        """
        Return a new synchronous client, which the caller closes.

        :param attempts: how often a read is tried before its transient error is raised.
        :raises InvalidConnectionError: the connection cannot be used.
        """
        endpoint, timing = self._settings
        return CheckNumberClient(endpoint, timing=replace(timing, attempts=attempts))

    @asynccontextmanager
    async def get_async_conn(
        self, *, attempts: int = Timing.attempts
    ) -> AsyncIterator[AsyncCheckNumberClient]:
        """
        Open an asynchronous client for as long as the ``async with`` block runs.

        :param attempts: how often a read is tried before its transient error is raised.
        :raises InvalidConnectionError: the connection cannot be used.
        """
        endpoint, timing = await self._asettings()
        timing = replace(timing, attempts=attempts)
        async with AsyncCheckNumberClient(endpoint, timing=timing) as client:
            yield client

    def submit_task(self, number_file: Path, task_type: str) -> Task:
        """
        Submit a file of E.164 numbers, one a line. **Billed**, tried exactly once.

        :param number_file: the file; it is streamed.
        :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``.
        :raises CheckNumberError: its ``create_accepted`` is None where the service may have taken the
            numbers all the same; submitting again may then pay twice.
        """
        with self.get_conn() as client:
            return client.submit_task(number_file, task_type)

    async def asubmit_task(self, number_file: Path, task_type: str) -> Task:
        """Submit a file of E.164 numbers without blocking the event loop; see :meth:`submit_task`."""
        async with self.get_async_conn() as client:
            return await client.submit_task(number_file, task_type)

    def get_task(self, checknumber_task_id: str) -> Task:
        """
        Ask how a task stands. Free; repeated with backoff on transient errors.

        :param checknumber_task_id: the service's id of the task.
        :raises CheckNumberError: as drawn in ``client.errors``.
        """
        with self.get_conn() as client:
            return client.get_task(checknumber_task_id)

    async def aget_task(self, checknumber_task_id: str) -> Task:
        """Ask how a task stands without blocking the event loop; see :meth:`get_task`."""
        async with self.get_async_conn() as client:
            return await client.get_task(checknumber_task_id)

    def get_balance(self) -> Decimal | None:
        """
        Ask for the account's balance, in its currency. Free; repeated on transient errors.

        :return: None where the deployment has no such call.
        :raises CheckNumberError: as drawn in ``client.errors``.
        """
        with self.get_conn() as client:
            return client.get_balance()

    async def aget_balance(self) -> Decimal | None:
        """Ask for the balance without blocking the event loop; see :meth:`get_balance`."""
        async with self.get_async_conn() as client:
            return await client.get_balance()

    def test_connection(self) -> tuple[bool, str]:
        """
        Tell whether the service can be reached and takes the key. Costs nothing.

        :return: whether it works, and a sentence for the person who pressed the button.
        """
        try:
            endpoint, timing = self._settings
            # A person is looking at a spinner: one try each, and none for long.
            with CheckNumberClient(endpoint, timing=replace(timing, read=10.0, attempts=1)) as client:
                balance = client.get_balance()
                if balance is not None:
                    return True, f"{endpoint.host} accepts the API key; the balance is {balance}."
                with suppress(TaskNotFoundError, BadRequestError):  # Said of the id, after the key was taken.
                    client.get_task(_NO_TASK)
                return True, f"{endpoint.host} accepts the API key."
        except AuthenticationError as error:
            return False, f"Wrong API key: {error}"
        except ServiceUnreachableError as error:
            return False, f"Unreachable: {error}"
        except CheckNumberError as error:
            return False, str(error)


class EkycProHook(CheckNumberHook):
    """
    The same hook for connections of type ``ekycpro``: eKYC Pro speaks CheckNumber's protocol.

    :param checknumber_conn_id: the Airflow connection, ``ekycpro_default`` where none is given.
    """

    default_conn_name = "ekycpro_default"
    conn_type = "ekycpro"
    hook_name = "eKYC Pro"


def _seconds(extra: dict[str, Any], field: str, default: float) -> float:
    value = extra.get(field)
    if value in (None, ""):
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise InvalidConnectionError(
            f"its extra field {field} is not a number of seconds between 0 and 86400."
        )
    return seconds
