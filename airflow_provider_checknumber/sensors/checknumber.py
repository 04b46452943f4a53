"""Waits until a task is exported, in a worker or in the triggerer. Not for: reading its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_checknumber.client import (
    CheckNumberPermanentError,
    CheckNumberTransientError,
    TaskStatus,
)
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.triggers.checknumber import (
    CheckNumberTaskTrigger,
    failed,
    left_running,
    timed_out,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Longer than the trigger needs to fire at the deadline by itself; Airflow's own deadline, set this much
#: later, is for the case that no triggerer is alive.
_GRACE = timedelta(minutes=2)


class CheckNumberTaskSensor(BaseSensorOperator):
    """
    Wait until a task of CheckNumber or eKYC Pro is exported; return its id.

    .. code-block:: python

        wait = CheckNumberTaskSensor(
            task_id="wait",
            checknumber_task_id=submit.output,
            deferrable=True,
            timeout=timedelta(hours=12),
        )

    A task that the service ends as ``failed`` fails at once, without a retry. Passing faults are waited
    out. ``timeout``, ``soft_fail``, ``never_fail`` and ``execution_timeout`` mean the same whether the
    sensor pokes or defers.

    :param checknumber_task_id: the service's id of the task, as the submit operator returns it. (templated)
    :param checknumber_conn_id: the Airflow connection, of either type. (templated)
    :param deferrable: wait in the triggerer instead of a worker; defaults to Airflow's setting
        ``[operators] default_deferrable``.
    :param poke_interval: seconds between two questions, 10 by default.
    """

    template_fields: Sequence[str] = ("checknumber_task_id", "checknumber_conn_id")
    ui_color = "#d9ecd0"

    def __init__(
        self,
        *,
        checknumber_task_id: str,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.checknumber_task_id = checknumber_task_id
        self.checknumber_conn_id = checknumber_conn_id
        self.deferrable = deferrable

    @cached_property
    def hook(self) -> CheckNumberHook:
        """Return the hook of the connection."""
        return CheckNumberHook(self.checknumber_conn_id)

    @cached_property
    def _wait(self) -> Wait:
        return Wait(poke_interval=self.poke_interval)

    def execute(self, context: Context) -> Any:
        """Wait; return the service's task id."""
        if not self.deferrable:
            return super().execute(context)
        now = datetime.now(UTC)
        timeout = timedelta(seconds=self.timeout)
        self.defer(
            trigger=CheckNumberTaskTrigger(
                checknumber_task_id=self.checknumber_task_id,
                checknumber_conn_id=self.checknumber_conn_id,
                poke_interval=self.poke_interval,
                timeout_at=now + timeout,
                execution_timeout_at=now + self.execution_timeout if self.execution_timeout else None,
            ),
            method_name="execute_complete",
            timeout=timeout + _GRACE,
        )

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Ask once."""
        try:
            with self.hook.get_conn(attempts=1) as client:
                task = client.get_task(self.checknumber_task_id)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None
        except CheckNumberTransientError as error:
            self._missed(error)
            return False
        self.log.info("%s", self._wait.saw(task, now=time.monotonic()))
        if task.status is TaskStatus.FAILED:
            raise AirflowFailException(failed(task.task_id))
        return PokeReturnValue(task.status is TaskStatus.EXPORTED, task.task_id)

    def _missed(self, error: CheckNumberTransientError) -> None:
        try:
            self._wait.missed(error)
        except CheckNumberTransientError:
            raise AirflowFailException(str(error)) from None
        self.log.warning("%s Waiting goes on.", error)

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Return the seconds until the next poke, by the rule that the trigger follows too."""
        if self.exponential_backoff:
            return float(super()._get_next_poke_interval(started_at, run_duration, poke_count))
        return self._wait.pause()

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """
        End as the trigger's event says.

        :return: the service's task id.
        :raises AirflowFailException: the task failed at the service, or an error is hopeless.
        :raises AirflowSensorTimeout: ``timeout`` has passed.
        :raises AirflowTaskTimeout: ``execution_timeout`` has passed.
        """
        status = event.get("status") if isinstance(event, dict) else None
        if event is None or event.get("checknumber_task_id") != self.checknumber_task_id:
            raise AirflowException(
                "The trigger's event is not about this task: clear the task to wait again."
            )
        if status == "exported":
            self.log.info("%s", event["message"])
            return self.checknumber_task_id
        if status == "failed":
            raise AirflowFailException(failed(self.checknumber_task_id))
        if status == "timeout":
            raise AirflowSensorTimeout(timed_out(self.checknumber_task_id))
        if status == "execution_timeout":
            self.on_kill()
            raise AirflowTaskTimeout(timed_out(self.checknumber_task_id))
        raise AirflowFailException(str(event.get("message")))

    def on_kill(self) -> None:
        """Say what becomes of the service's task, which cannot be cancelled."""
        self.log.info("%s", left_running(self.checknumber_task_id))
