"""
Waits in the triggerer until a task is exported. Not for: reading its result (``transfers``).

Airflow imports this module on the event loop that all triggers share, so it imports nothing that takes
long; what asks the service does (``asking``), and is loaded in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_checknumber.triggers.mapped import (
    UnresolvableError,
    mapped_argument,
    triggerer_context,
)
from airflow_provider_checknumber.version_compat import push_xcom

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context

#: Longer than a trigger needs to fire at its deadline by itself; Airflow's own deadline, set this much
#: later, is for the case that no triggerer is alive.
GRACE = timedelta(minutes=2)

_ASKING = "airflow_provider_checknumber.triggers.asking"


class CheckNumberTaskTrigger(BaseTrigger):
    """
    Fire once when a task of the service has ended, a deadline has passed, or an error is hopeless.

    The event is a dict: ``status`` (``exported``, ``failed``, ``timeout``, ``execution_timeout``,
    ``error``, or ``unresolved`` where only a worker can tell the id), ``checknumber_task_id``, ``message``,
    and the counts ``total``, ``success`` and ``failure`` where the task has been seen. Passing faults
    (network, 429, 5xx) are logged and waited out. All triggers of one connection share one session.

    :param checknumber_task_id: the service's id of the task. (templated with ``start_from_trigger``)
    :param checknumber_conn_id: the Airflow connection. (templated with ``start_from_trigger``)
    :param poke_interval: shortest time between two questions, in seconds, 3 by default.
    :param max_poke_interval: longest time between two questions, in seconds, an hour by default.
    :param started_at: when the wait began, which a restart does not change. If None, when the triggerer was
        given the task to start.
    :param timeout: seconds after which to give up for good, as the sensor's ``timeout`` does. Never, if None.
    :param execution_timeout: seconds after which to give up as the task's ``execution_timeout`` does. Never,
        if None.
    :param silent_fail: log errors that nobody has foreseen and carry on, as the sensor's argument does.
    :param end_from_trigger: end the Airflow task here once the service's task is exported.
    :param do_xcom_push: with ``end_from_trigger``, leave the id as the XCom ``return_value``.
    """

    def __init__(
        self,
        *,
        checknumber_task_id: str,
        # The defaults of hook and polling, written out: importing those takes long.
        checknumber_conn_id: str = "checknumber_default",
        poke_interval: float = 3.0,
        max_poke_interval: float = 3_600.0,
        started_at: datetime | None = None,
        timeout: float | None = None,
        execution_timeout: float | None = None,
        silent_fail: bool = False,
        end_from_trigger: bool = False,
        do_xcom_push: bool = True,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.checknumber_task_id = checknumber_task_id
        self.checknumber_conn_id = checknumber_conn_id
        self.poke_interval = poke_interval
        self.max_poke_interval = max_poke_interval
        self.started_at = started_at
        self.timeout = timeout
        self.execution_timeout = execution_timeout
        self.silent_fail = silent_fail
        self.end_from_trigger = end_from_trigger
        self.do_xcom_push = do_xcom_push
        self._unresolved: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to go on."""
        arguments = (
            "checknumber_task_id",
            "checknumber_conn_id",
            "poke_interval",
            "max_poke_interval",
            "started_at",
            "timeout",
            "execution_timeout",
            "silent_fail",
            "end_from_trigger",
            "do_xcom_push",
        )
        return (
            "airflow_provider_checknumber.triggers.checknumber.CheckNumberTaskTrigger",
            {name: getattr(self, name) for name in arguments},
        )

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render the arguments of a wait that starts here; of a mapped one, look up which id it is for."""
        if self.started_at is not None:
            return  # A worker has rendered them before it deferred, whatever the sensor is set to.
        context = triggerer_context(context)
        try:
            mapped = mapped_argument(context, "checknumber_task_id")
        except UnresolvableError as error:
            self._unresolved = str(error)
            return
        if mapped is not None:
            self.checknumber_task_id = mapped
        super().render_template_fields(context, jinja_env)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire exactly one event."""
        if self._unresolved is not None:
            event = self.event("unresolved", self._unresolved)
        else:
            asking = await asyncio.to_thread(import_module, _ASKING)
            event = await asking.ask_until_over(self)
        if self.end_from_trigger and event["status"] == "exported":
            self.log.info("%s", event["message"])
            yield TaskSuccessEvent(xcoms=await self._push_xcom())
        else:
            yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Say what becomes of the service's task when a user ends the waiting one."""
        self.log.info(left_running(self.checknumber_task_id))

    def began(self) -> datetime:
        """Return when the wait began, which a restart of the triggerer does not change."""
        return self.started_at or self._handed_over_at()

    def deadline(self, began: datetime) -> tuple[datetime | None, str]:
        """Return when to give up, None if never, and the status of the event that then tells it."""
        deadlines = [
            (began + timedelta(seconds=seconds), status)
            for seconds, status in (
                (self.execution_timeout, "execution_timeout"),
                (self.timeout, "timeout"),
            )
            if seconds is not None
        ]
        return min(deadlines) if deadlines else (None, "timeout")

    def _handed_over_at(self) -> datetime:
        """Return when the triggerer was given the task: Airflow keeps its deadline across restarts, not its start."""
        airflows_deadline: datetime | None = getattr(self, "timeout_after", None)
        if airflows_deadline is None or self.timeout is None:
            return datetime.now(UTC)
        if airflows_deadline.tzinfo is None:
            airflows_deadline = airflows_deadline.replace(tzinfo=UTC)
        after = airflows_timeout(timedelta(seconds=self.timeout), self.execution_timeout)
        if self.execution_timeout is not None:
            after = min(after, timedelta(seconds=self.execution_timeout))
        return airflows_deadline - after

    async def _push_xcom(self) -> dict[str, Any] | None:
        """Leave the id as the XCom ``return_value``; return what is left for the event to carry."""
        if not self.do_xcom_push:
            return None
        if self.task_instance is None:
            return {"return_value": self.checknumber_task_id}
        await push_xcom(self.task_instance, self.checknumber_task_id)
        return None

    def event(self, status: str, message: str, **counts: int) -> dict[str, Any]:
        """Return what to fire."""
        return {
            "status": status,
            "checknumber_task_id": self.checknumber_task_id,
            "message": message,
            **counts,
        }


def airflows_timeout(timeout: timedelta, execution_timeout: float | None) -> timedelta:
    """Return how long Airflow is to wait for a trigger that gives up by itself."""
    first = timeout.total_seconds()
    if execution_timeout is not None:
        first = min(first, execution_timeout)
    return timedelta(seconds=first) + GRACE


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
