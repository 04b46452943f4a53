"""Waits until a task is exported, in a worker or in the triggerer. Not for: reading its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.triggers.checknumber import left_running
from airflow_provider_checknumber.waiting import (
    ask_once,
    deferral,
    raise_if_deferral_timed_out,
    read_event,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


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
    out. ``timeout``, ``soft_fail``, ``never_fail``, ``silent_fail`` and ``execution_timeout`` mean the same
    whether the sensor pokes or defers.

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
        self.defer(
            **deferral(
                self.checknumber_task_id,
                checknumber_conn_id=self.checknumber_conn_id,
                poke_interval=self.poke_interval,
                timeout=timedelta(seconds=self.timeout),
                execution_timeout=self.execution_timeout,
                silent_fail=self.silent_fail,
            )
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        done = ask_once(self.hook, self.checknumber_task_id, wait=self._wait, log=self.log)
        return PokeReturnValue(done, self.checknumber_task_id)

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Return the seconds until the next poke, by the rule that the trigger follows too."""
        if self.exponential_backoff:
            return float(super()._get_next_poke_interval(started_at, run_duration, poke_count))
        # Not past the timeout, which Airflow looks at after each poke only.
        return min(self._wait.pause(), max(self.timeout - run_duration(), 0.0))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume after a deferral, and end as the same wait would have ended in a worker.

        Airflow's own sensors do not: theirs skips with ``soft_fail`` after every error, with
        ``never_fail`` after a timeout too, and before Airflow 3 retries after a timeout.
        """
        try:
            raise_if_deferral_timed_out(
                next_method,
                next_kwargs,
                timeout=timedelta(seconds=self.timeout),
                execution_timeout=self.execution_timeout,
            )
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException:
            raise
        except Exception as error:
            hopeless = isinstance(error, AirflowFailException)
            timed_out = isinstance(error, AirflowSensorTimeout)
            if (self.soft_fail and (hopeless or timed_out)) or (self.never_fail and not timed_out):
                raise AirflowSkipException(str(error)) from error
            raise

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Resume when the trigger has fired; return the service's task id."""
        try:
            self.log.info("%s", read_event(event, self.checknumber_task_id))
        except AirflowTaskTimeout:
            self.on_kill()  # As Airflow does where a poking sensor runs into its execution_timeout.
            raise
        return self.checknumber_task_id

    def on_kill(self) -> None:
        """Say what becomes of the service's task, which cannot be cancelled."""
        self.log.info("%s", left_running(self.checknumber_task_id))
