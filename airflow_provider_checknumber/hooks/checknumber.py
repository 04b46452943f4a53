"""Connections of type ``checknumber`` and ``ekycpro``, and the calls that they give access to.

Not for: deciding whether a submission may be repeated (``operators``), or reading results (``results``).
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
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
    CheckNumberTransientError,
    Endpoint,
    ServiceUnreachableError,
    Task,
    TaskFailedError,
    TaskNotFoundError,
    TaskStatus,
    Timing,
)
from airflow_provider_checknumber.client.channel import Channel, shared_channel
from airflow_provider_checknumber.get_provider_info import connection_form_widgets, ui_field_behaviour
from airflow_provider_checknumber.hooks.connection_settings import Settings, read_settings
from airflow_provider_checknumber.lineage import collect
from airflow_provider_checknumber.results import ArchiveLimits, ResultTable, download_archive, open_results

if TYPE_CHECKING:
    from pandas import DataFrame

#: Asked for when a connection is tested: no task has this id, so the answer tells about the key alone.
_NO_TASK = "connection-test"


class CheckNumberHook(BaseHook):
    """
    Talk to CheckNumber or eKYC Pro, which share one protocol.

    A connection of either type works: its type decides which service is asked, unless it names a host.
    The API key is the connection's password. Extra fields: ``read_timeout`` (seconds for the answer to
    a read, default 60), ``submit_timeout`` (seconds for the answer to a submission, default 600),
    ``result_hosts`` (hosts that results may be downloaded from, with commas between them; any by default),
    ``dashboard_url`` (where the link of a task leads; the service's own dashboard by default).

    .. code-block:: python

        hook = CheckNumberHook("checknumber_default")
        task = hook.submit_task(Path("numbers.txt"), "Twitter")  # billed
        hook.get_task(task.task_id).status

    :param checknumber_conn_id: the Airflow connection.
    :param archive_limits: what a result may cost to download and to read, default: ``ArchiveLimits()``.
    """

    conn_name_attr = "checknumber_conn_id"
    default_conn_name = "checknumber_default"
    conn_type = "checknumber"
    hook_name = "CheckNumber"

    def __init__(
        self,
        checknumber_conn_id: str | None = None,
        *,
        archive_limits: ArchiveLimits | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.checknumber_conn_id = checknumber_conn_id or self.default_conn_name
        self.archive_limits = archive_limits or ArchiveLimits()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels, placeholders and hidden fields of the connection form."""
        return ui_field_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form."""
        return connection_form_widgets()

    @cached_property
    def _settings(self) -> Settings:
        connection = self.get_connection(self.checknumber_conn_id)
        if connection.password:
            mask_secret(connection.password)
        return read_settings(connection, connection.extra_dejson, self.conn_type)

    async def _asettings(self) -> Settings:
        # Airflow masks the password itself; doing it here too would be a synchronous call in the triggerer.
        connection = await get_async_connection(self.checknumber_conn_id)
        return read_settings(connection, await get_async_extra_dejson(connection), self.conn_type)

    @property
    def endpoint(self) -> Endpoint:
        """
        Return the service's base URL and the key.

        :raises InvalidConnectionError: the connection cannot be used.
        """
        return self._settings.endpoint

    def get_dashboard_url(self) -> str | None:
        """
        Return where people see the account's tasks, None where nobody knows.

        :raises InvalidConnectionError: the connection cannot be used.
        """
        return self.endpoint.dashboard_url

    def get_conn(self, *, attempts: int = Timing.attempts) -> CheckNumberClient:
        """
        Return a new synchronous client, which the caller closes.

        :param attempts: how often a read is tried before its transient error is raised.
        :raises InvalidConnectionError: the connection cannot be used.
        """
        timing = replace(self._settings.timing, attempts=attempts)
        return CheckNumberClient(self._settings.endpoint, timing=timing)

    @asynccontextmanager
    async def get_async_conn(
        self, *, attempts: int = Timing.attempts
    ) -> AsyncIterator[AsyncCheckNumberClient]:
        """
        Open an asynchronous client for as long as the ``async with`` block runs.

        :param attempts: how often a read is tried before its transient error is raised.
        :raises InvalidConnectionError: the connection cannot be used.
        """
        settings = await self._asettings()
        timing = replace(settings.timing, attempts=attempts)
        async with AsyncCheckNumberClient(settings.endpoint, timing=timing) as client:
            yield client

    def share_channel(self) -> Channel:
        """
        Return what the waits of this connection in this event loop share: one session and one lookup.

        Each enters it as a context. It raises :class:`InvalidConnectionError` at the first question where the
        connection cannot be used, and tries each question once: a wait is a repetition already.
        """

        async def look_up() -> tuple[Endpoint, Timing]:
            settings = await self._asettings()
            return settings.endpoint, replace(settings.timing, attempts=1)

        return shared_channel(self.checknumber_conn_id, look_up)

    def submit_task(self, number_file: Path, task_type: str) -> Task:
        """
        Submit a file of E.164 numbers, one a line. **Billed**, tried exactly once.

        :param number_file: the file; it is streamed.
        :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``.
        :raises CheckNumberError: its ``create_accepted`` is None where the service may have taken the
            numbers all the same; submitting again may then pay twice.
        """
        # Before it is sent: nothing may come between the answer and whoever puts it on record.
        collect(self, self.endpoint, task_type, number_file=number_file)
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

    def download_results(self, checknumber_task_id: str, path: Path) -> Task:
        """
        Download the result of an exported task, asking for a fresh link whenever one is needed. Free.

        :param checknumber_task_id: the service's id of the task.
        :param path: the file to write; a zip as a rule, see ``results.open_results``.
        :return: the task as it stands.
        :raises TaskFailedError: the service ended the task as failed.
        :raises CheckNumberTransientError: it has not been exported yet, or its host stays away.
        :raises ResultError: the link or the archive cannot be used.
        """
        task = self._exported(checknumber_task_id)
        download_archive(
            task.result_url or "",
            path,
            fresh_link=lambda: self._exported(checknumber_task_id).result_url or "",
            result_hosts=self._settings.result_hosts,
            max_bytes=self.archive_limits.max_download_bytes,
        )
        return task

    @contextmanager
    def open_results(
        self, checknumber_task_id: str, *, task_type: str | None = None
    ) -> Iterator[tuple[Task, ResultTable]]:
        """
        Download the result of an exported task to a temporary file; give the task as it stands, and the table.

        :param checknumber_task_id: the service's id of the task.
        :param task_type: what it was submitted as; says which column holds its answers.
        :raises CheckNumberError: as :meth:`download_results` and ``results.open_results``.
        """
        with tempfile.TemporaryDirectory(prefix="checknumber-") as folder:
            archive = Path(folder) / "result"
            task = self.download_results(checknumber_task_id, archive)
            with open_results(archive, task_type=task_type, limits=self.archive_limits) as results:
                if task_type is not None:
                    collect(self, self.endpoint, task_type)
                yield task, results

    def iter_results(
        self, checknumber_task_id: str, *, task_type: str | None = None, chunk_rows: int = 65_536
    ) -> Iterator[DataFrame]:
        """
        Yield the result of an exported task as pandas frames; memory does not grow with it.

        :param checknumber_task_id: the service's id of the task.
        :param task_type: what it was submitted as; says which column holds its answers.
        :param chunk_rows: most rows in a frame.
        :raises CheckNumberError: as :meth:`open_results`.
        """
        from airflow_provider_checknumber.results.frames import iter_frames

        with self.open_results(checknumber_task_id, task_type=task_type) as (_, results):
            yield from iter_frames(results, chunk_rows=chunk_rows)

    def get_results_df(self, checknumber_task_id: str, *, task_type: str | None = None) -> DataFrame:
        """
        Return the result of an exported task as one pandas frame.

        Numbers and texts are of dtype ``string``, answers of ``boolean``; not determined is ``pd.NA``.

        :param checknumber_task_id: the service's id of the task.
        :param task_type: what it was submitted as; says which column holds its answers.
        :raises CheckNumberError: as :meth:`open_results`.
        """
        from airflow_provider_checknumber.results.frames import read_frame

        with self.open_results(checknumber_task_id, task_type=task_type) as (_, results):
            return read_frame(results)

    def _exported(self, checknumber_task_id: str) -> Task:
        task = self.get_task(checknumber_task_id)
        if task.status is TaskStatus.FAILED:
            raise TaskFailedError(checknumber_task_id)
        if task.status is not TaskStatus.EXPORTED or task.result_url is None:
            raise CheckNumberTransientError(
                f"CheckNumber task {checknumber_task_id} has no result yet (it is {task.raw_status!r}): wait for "
                "it with CheckNumberTaskSensor, then run this task again."
            )
        return task

    def test_connection(self) -> tuple[bool, str]:
        """
        Tell whether the service can be reached and takes the key. Costs nothing.

        :return: whether it works, and a sentence for the person who pressed the button.
        """
        try:
            endpoint, timing = self._settings.endpoint, self._settings.timing
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
    :param archive_limits: what a result may cost to download and to read, default: ``ArchiveLimits()``.
    """

    default_conn_name = "ekycpro_default"
    conn_type = "ekycpro"
    hook_name = "eKYC Pro"

    # Airflow before 3.2 looks for these two in the class itself and passes over what it inherits.

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return labels, placeholders and hidden fields of the connection form."""
        return super().get_ui_field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form."""
        return super().get_connection_form_widgets()
