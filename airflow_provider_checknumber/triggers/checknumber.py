"""Waits in the triggerer until a task is exported. Not for: reading its result (``transfers``)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_checknumber.client import (
    AsyncCheckNumberClient,
    CheckNumberError,
    CheckNumberTransientError,
    Task,
)
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook

#: Seconds that the answer to the last question, asked at the deadline, may take.
_LAST_ANSWER = 10.0


class CheckNumberTaskTrigger(BaseTrigger):
    """
    Fire once when a task of the service has ended, a deadline has passed, or an error is hopeless.

    The event is a dict: ``status`` (``exported``, ``failed``, ``timeout``, ``execution_timeout`` or
    ``error``), ``checknumber_task_id``, ``message``, and the counts ``total``, ``success`` and
    ``failure`` where the task has been seen. Passing faults (network, 429, 5xx) are logged and waited out.

    :param checknumber_task_id: the service's id of the task.
    :param checknumber_conn_id: the Airflow connection.
    :param poke_interval: seconds between two questions.
    :param timeout_at: when to give up for good, as the sensor's ``timeout`` does. Never, if None.
    :param execution_timeout_at: when to give up as the task's ``execution_timeout`` does. Never, if None.
    :param silent_fail: log errors that nobody has foreseen and carry on, as the sensor's argument does.
    """

    def __init__(
        self,
        *,
        checknumber_task_id: str,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        poke_interval: float = 10.0,
        timeout_at: datetime | None = None,
        execution_timeout_at: datetime | None = None,
        silent_fail: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.checknumber_task_id = checknumber_task_id
        self.checknumber_conn_id = checknumber_conn_id
        self.poke_interval = poke_interval
        self.timeout_at = timeout_at
        self.execution_timeout_at = execution_timeout_at
        self.silent_fail = silent_fail

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to go on: deadlines are points in time, so they are kept."""
        return (
            "airflow_provider_checknumber.triggers.checknumber.CheckNumberTaskTrigger",
            {
                "checknumber_task_id": self.checknumber_task_id,
                "checknumber_conn_id": self.checknumber_conn_id,
                "poke_interval": self.poke_interval,
                "timeout_at": self.timeout_at,
                "execution_timeout_at": self.execution_timeout_at,
                "silent_fail": self.silent_fail,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire exactly one event."""
        hook = CheckNumberHook(self.checknumber_conn_id)
        try:
            # One try a question: the wait itself is the repetition.
            async with hook.get_async_conn(attempts=1) as client:
                event = await self._wait(client)
        except (CheckNumberError, AirflowNotFoundException) as error:
            event = self._event("error", str(error))
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Say what becomes of the service's task when a user ends the waiting one."""
        self.log.info(left_running(self.checknumber_task_id))

    async def _wait(self, client: AsyncCheckNumberClient) -> dict[str, Any]:
        wait = Wait(poke_interval=self.poke_interval)
        deadline, status = self._deadline()
        last: Task | None = None
        while True:
            # A service that never answers must not hold the wait beyond its end.
            task = await self._ask(client, wait, patience=max(_seconds_until(deadline), _LAST_ANSWER))
            if task is not None:
                last, said = task, wait.saw(task, now=time.monotonic())
                if task.status.is_terminal:
                    return self._event(task.status.value, said, task)
                self.log.info("%s", said)
            seconds_left = _seconds_until(deadline)
            if seconds_left <= 0:
                return self._event(status, timed_out(self.checknumber_task_id), last)
            await asyncio.sleep(min(wait.pause(), seconds_left))

    async def _ask(self, client: AsyncCheckNumberClient, wait: Wait, *, patience: float) -> Task | None:
        """Ask how the task stands; None where a fault is to be waited out."""
        try:
            async with asyncio.timeout(patience):
                return await client.get_task(self.checknumber_task_id)
        except CheckNumberTransientError as error:
            wait.missed(error)
            self.log.warning("%s Waiting goes on.", error)
        except CheckNumberError:
            raise
        except TimeoutError:
            self.log.warning("The service has not answered before the wait's end.")
        except Exception:
            if not self.silent_fail:
                raise
            self.log.exception(
                "Asking for CheckNumber task %s failed. Waiting goes on.", self.checknumber_task_id
            )
        return None

    def _deadline(self) -> tuple[datetime | None, str]:
        """Return the deadline that comes first and the status of the event that tells it."""
        deadlines = [
            (at, status)
            for at, status in ((self.timeout_at, "timeout"), (self.execution_timeout_at, "execution_timeout"))
            if at is not None
        ]
        return min(deadlines) if deadlines else (None, "timeout")

    def _event(self, status: str, message: str, task: Task | None = None) -> dict[str, Any]:
        event = {"status": status, "checknumber_task_id": self.checknumber_task_id, "message": message}
        if task is None:
            return event
        return {**event, "total": task.total, "success": task.success, "failure": task.failure}


def _seconds_until(moment: datetime | None) -> float:
    return math.inf if moment is None else (moment - datetime.now(UTC)).total_seconds()


def timed_out(checknumber_task_id: str) -> str:
    """Return the sentence for a wait that ended before its task did."""
    return (
        f"CheckNumber task {checknumber_task_id} was not exported in time. It goes on at the service: wait for "
        "the same id with a longer timeout instead of submitting the numbers again."
    )


def left_running(checknumber_task_id: str) -> str:
    """Return the sentence for a wait that a user ended."""
    return (
        f"Stopped waiting for CheckNumber task {checknumber_task_id}. The service has no way to cancel it: it "
        "goes on, and its result can be loaded once it is exported."
    )
