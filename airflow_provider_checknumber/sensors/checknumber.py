"""Waits until a task is exported, in a worker or in the triggerer. Not for: reading its result."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    TaskInstanceState,
    conf,
)
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_checknumber.client.polling import MAX_POKE_INTERVAL, POKE_INTERVAL
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.service_task import ServiceTask
from airflow_provider_checknumber.triggers.checknumber import (
    CheckNumberTaskTrigger,
    airflows_timeout,
    left_running,
)
from airflow_provider_checknumber.version_compat import STARTS_FROM_TRIGGER
from airflow_provider_checknumber.waiting import (
    ask_once,
    deferral,
    raise_if_deferral_timed_out,
    read_event,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_checknumber.version_compat import OperatorPartial


class CheckNumberTaskSensor(ServiceTask, BaseSensorOperator):
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

    When to ask again follows from the progress that the service reports: often while a task is young and
    when its end is due, seldom in between. ``exponential_backoff`` and ``max_wait`` therefore change nothing.

    On Airflow 3.3 and newer the sensor can do without a worker: it starts in the triggerer with
    ``start_from_trigger=True``, and with ``end_from_trigger=True`` it ends there too, unless it fails.
    A sensor that ends there does not run ``post_execute`` and emits no events for its ``outlets``.

    There is nothing for an ``AssetWatcher`` to watch: a task id is known in one DAG run only, its trigger
    fires once, and the service cannot list tasks; give the task that loads the result an outlet instead.

    :param checknumber_task_id: the service's id of the task, as the submit operator returns it. (templated)
    :param checknumber_conn_id: the Airflow connection, of either type. (templated)
    :param deferrable: wait in the triggerer instead of a worker; defaults to Airflow's setting
        ``[operators] default_deferrable``.
    :param poke_interval: shortest time between two questions, in seconds, 3 by default.
    :param max_poke_interval: longest time between two questions, in seconds, an hour by default.
    :param start_from_trigger: start in the triggerer, without a worker. Before Airflow 3.3 the sensor is
        started by a worker and defers at once.
    :param end_from_trigger: end in the triggerer once the task is exported, without a worker. Before
        Airflow 3.3 a worker ends the sensor.
    """

    template_fields: Sequence[str] = ("checknumber_task_id", "checknumber_conn_id")
    ui_color = "#d9ecd0"

    def __init__(
        self,
        *,
        checknumber_task_id: str,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = POKE_INTERVAL,
        max_poke_interval: timedelta | float = MAX_POKE_INTERVAL,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        # A mapped sensor brings what partial() made for the scheduler; it is made anew below.
        kwargs.pop("start_trigger_args", None)
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.checknumber_task_id = checknumber_task_id
        self.checknumber_conn_id = checknumber_conn_id
        self.max_poke_interval = _seconds(max_poke_interval)
        without_worker = start_from_trigger or end_from_trigger
        self.deferrable = deferrable or without_worker
        if without_worker and _needs_worker(self.task_id):
            start_from_trigger = end_from_trigger = False
        self.start_from_trigger = start_from_trigger
        self.end_from_trigger = end_from_trigger
        # The triggerer renders text; what an upstream's output is mapped to, a worker has to compute.
        if self.start_from_trigger and _is_text(checknumber_task_id):
            self.start_trigger_args = _start_trigger_args(vars(self))
        else:
            self.start_from_trigger = False

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return a partial sensor to ``expand()``; it starts in the triggerer as one that is not mapped does."""
        built: OperatorPartial = super().partial(**kwargs)
        start, end = (built.kwargs.get(name) for name in ("start_from_trigger", "end_from_trigger"))
        if (start or end) and _needs_worker(built.kwargs["task_id"]):
            built.kwargs.update(start_from_trigger=False, end_from_trigger=False, deferrable=True)
        elif start:
            built.kwargs["start_trigger_args"] = _start_trigger_args(built.kwargs)
        return built

    @cached_property
    def _wait(self) -> Wait:
        return Wait(poke_interval=self.poke_interval, max_poke_interval=self.max_poke_interval)

    @cached_property
    def _began(self) -> datetime:
        return datetime.now(UTC)

    def execute(self, context: Context) -> Any:
        """Wait; return the service's task id."""
        if not self.deferrable:
            return super().execute(context)
        # A trigger that fires at once can be faster than the executor's word that the task has been deferred;
        # Airflow then takes it for one that was killed.
        with self._skipping():
            if self._is_exported_already(context):
                return self.checknumber_task_id
        self.defer(
            **deferral(
                self.checknumber_task_id,
                checknumber_conn_id=self.checknumber_conn_id,
                timeout=timedelta(seconds=self.timeout),
                execution_timeout=self.execution_timeout,
                poke_interval=self.poke_interval,
                max_poke_interval=self.max_poke_interval,
                silent_fail=self.silent_fail,
                end_from_trigger=self.end_from_trigger,
                do_xcom_push=self.do_xcom_push,
            )
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        # Airflow keeps the start of a task that it reschedules.
        began = getattr(context.get("ti"), "start_date", None) or self._began
        done = ask_once(self.hook, self.checknumber_task_id, wait=self._wait, began=began, log=self.log)
        return PokeReturnValue(done, self.checknumber_task_id)

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Return the seconds until the next poke, by the rule that the trigger follows too."""
        # Not past the timeout, which Airflow looks at after each poke only.
        return min(self._wait.pause(), max(self.timeout - run_duration(), 0.0))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume after a deferral, and end as the same wait would have ended in a worker.

        Airflow's own sensors do not: theirs skips with ``soft_fail`` after every error, with
        ``never_fail`` after a timeout too, and before Airflow 3 retries after a timeout.
        """
        with self._skipping():
            raise_if_deferral_timed_out(
                next_method,
                next_kwargs,
                timeout=timedelta(seconds=self.timeout),
                execution_timeout=self.execution_timeout,
            )
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)

    @contextmanager
    def _skipping(self) -> Iterator[None]:
        """Skip where an error is to skip, as the error of a question does in a worker."""
        try:
            yield
        except AirflowSkipException:
            raise
        except Exception as error:
            hopeless = isinstance(error, AirflowFailException)
            timed_out = isinstance(error, AirflowSensorTimeout)
            if (self.soft_fail and (hopeless or timed_out)) or (self.never_fail and not timed_out):
                raise AirflowSkipException(str(error)) from error
            raise

    def _is_exported_already(self, context: Context) -> bool:
        try:
            return self.poke(context).is_done
        except AirflowFailException:
            raise
        except Exception:
            if not self.silent_fail:
                raise
            self.log.exception(
                "Asking for CheckNumber task %s failed. Waiting goes on.", self.checknumber_task_id
            )
            return False

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Resume when the trigger has fired; return the service's task id."""
        if isinstance(event, dict) and event.get("status") == "unresolved":
            self.log.info("%s The wait goes on from here.", event.get("message"))
            return self.execute(context)
        # `airflow dags test` resumes what its trigger has ended, with the state as the event.
        if not (self.end_from_trigger and event == TaskInstanceState.SUCCESS):
            self.log.info("%s", read_event(event, self.checknumber_task_id))
        return self.checknumber_task_id

    def on_kill(self) -> None:
        """Say what becomes of the service's task, which cannot be cancelled."""
        self.log.info("%s", left_running(self.checknumber_task_id))


def _needs_worker(task_id: str) -> bool:
    """Return whether this Airflow cannot start and end sensors in the triggerer; warn if so."""
    if not STARTS_FROM_TRIGGER:
        warnings.warn(
            f"start_from_trigger and end_from_trigger need Airflow 3.3 or newer: a worker starts and ends the "
            f"sensor {task_id!r}, which defers in between.",
            stacklevel=3,
        )
    return not STARTS_FROM_TRIGGER


def _is_text(argument: Any) -> bool:
    """Return whether an argument is text, or an upstream task's output, whose text is a template."""
    return isinstance(argument, str) or str(argument).startswith("{{")


def _start_trigger_args(arguments: Mapping[str, Any]) -> StartTriggerArgs:
    """
    Return what the scheduler makes the trigger with.

    :param arguments: of the sensor, or what ``partial()`` has of them.
    """
    timeout = arguments.get("timeout")
    seconds = conf.getfloat("sensors", "default_timeout") if timeout is None else _seconds(timeout)
    execution_timeout = arguments.get("execution_timeout")
    execution_seconds = None if execution_timeout is None else _seconds(execution_timeout)
    return StartTriggerArgs(
        trigger_cls=f"{CheckNumberTaskTrigger.__module__}.{CheckNumberTaskTrigger.__qualname__}",
        trigger_kwargs={
            # An upstream task's output becomes the template that pulls its XCom.
            "checknumber_task_id": str(arguments.get("checknumber_task_id", "")),
            "checknumber_conn_id": arguments.get("checknumber_conn_id", CheckNumberHook.default_conn_name),
            "poke_interval": _seconds(arguments.get("poke_interval", POKE_INTERVAL)),
            "max_poke_interval": _seconds(arguments.get("max_poke_interval", MAX_POKE_INTERVAL)),
            "timeout": seconds,
            "execution_timeout": execution_seconds,
            "silent_fail": arguments.get("silent_fail", False),
            "end_from_trigger": arguments.get("end_from_trigger", False),
            "do_xcom_push": arguments.get("do_xcom_push", True),
        },
        next_method="execute_complete",
        timeout=airflows_timeout(timedelta(seconds=seconds), execution_seconds),
    )


def _seconds(duration: timedelta | float) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
