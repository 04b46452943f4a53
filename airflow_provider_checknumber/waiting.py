"""Waiting for a task, as sensor, trigger and submit operator share it: asking once, and how a wait ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
)

from airflow_provider_checknumber import metrics
from airflow_provider_checknumber.client import (
    CheckNumberPermanentError,
    CheckNumberTransientError,
    TaskFailedError,
    TaskStatus,
)
from airflow_provider_checknumber.client.log import Log
from airflow_provider_checknumber.client.polling import MAX_POKE_INTERVAL, POKE_INTERVAL
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.triggers.checknumber import (
    CheckNumberTaskTrigger,
    airflows_timeout,
    timed_out,
)
from airflow_provider_checknumber.version_compat import deferral_timed_out


def ask_once(
    hook: CheckNumberHook, checknumber_task_id: str, *, wait: Wait, began: datetime | None, log: Log
) -> bool:
    """
    Ask how the task stands, log it, and return whether it is exported.

    :param began: when the wait did, None if nobody knows.
    :raises AirflowFailException: the task failed at the service, or an error is hopeless.
    """
    try:
        with hook.get_conn(attempts=1) as client:
            task = client.get_task(checknumber_task_id)
    except (CheckNumberPermanentError, AirflowNotFoundException) as error:
        raise AirflowFailException(str(error)) from None
    except CheckNumberTransientError as error:
        try:
            wait.missed(error, now=time.monotonic())
        except CheckNumberTransientError:
            raise AirflowFailException(str(error)) from None
        log.warning("%s Waiting goes on.", error)
        metrics.polled(hook.endpoint, None, began=began)
        return False
    metrics.polled(hook.endpoint, task, began=began)
    log.info("%s", wait.saw(task, now=time.monotonic()))
    if task.status is TaskStatus.FAILED:
        raise AirflowFailException(str(TaskFailedError(checknumber_task_id)))
    return task.status is TaskStatus.EXPORTED


def deferral(
    checknumber_task_id: str,
    *,
    checknumber_conn_id: str,
    timeout: timedelta,
    execution_timeout: timedelta | None,
    poke_interval: float = POKE_INTERVAL,
    max_poke_interval: float = MAX_POKE_INTERVAL,
    **trigger_arguments: bool,
) -> dict[str, Any]:
    """
    Return the arguments of ``defer()`` for a wait that begins now and resumes in ``execute_complete``.

    :param timeout: after which the wait ends for good.
    :param execution_timeout: after which it ends as Airflow ends a running task, or None.
    :param poke_interval: shortest time between two questions, in seconds.
    :param max_poke_interval: longest time between two questions, in seconds.
    :param trigger_arguments: further arguments of the trigger.
    """
    seconds = execution_timeout.total_seconds() if execution_timeout else None
    return {
        "trigger": CheckNumberTaskTrigger(
            checknumber_task_id=checknumber_task_id,
            checknumber_conn_id=checknumber_conn_id,
            poke_interval=poke_interval,
            max_poke_interval=max_poke_interval,
            started_at=datetime.now(UTC),
            timeout=timeout.total_seconds(),
            execution_timeout=seconds,
            **trigger_arguments,
        ),
        "method_name": "execute_complete",
        "timeout": airflows_timeout(timeout, seconds),
    }


def raise_if_deferral_timed_out(
    next_method: str,
    next_kwargs: dict[str, Any] | None,
    *,
    timeout: timedelta,
    execution_timeout: timedelta | None,
) -> None:
    """
    End a wait that Airflow has ended because its deadline passed while no triggerer was alive to tell.

    Airflow resumes such a task to let it fail, as if its trigger had failed, which would be retried.

    :param next_method: as ``resume_execution`` is told.
    :param next_kwargs: as ``resume_execution`` is told.
    :raises AirflowSensorTimeout: ``timeout`` has passed.
    :raises AirflowTaskTimeout: ``execution_timeout`` has passed.
    """
    if deferral_timed_out(next_method, next_kwargs):
        message = "The wait was not over in time, and no triggerer was there to say how the task stands."
        if execution_timeout is not None and execution_timeout <= timeout:
            raise AirflowTaskTimeout(message)
        raise AirflowSensorTimeout(message)


def read_event(event: Any, checknumber_task_id: str) -> str:
    """
    Check the trigger's event and end the wait as it says.

    :return: a sentence about the exported task.
    :raises AirflowException: the event is not about this task.
    :raises AirflowFailException: the task failed at the service, or an error is hopeless.
    :raises AirflowSensorTimeout: ``timeout`` has passed.
    :raises AirflowTaskTimeout: ``execution_timeout`` has passed.
    """
    if not isinstance(event, dict) or event.get("checknumber_task_id") != checknumber_task_id:
        raise AirflowException("The trigger's event is not about this task: clear the task to wait again.")
    status, message = event.get("status"), str(event.get("message"))
    if status == "exported":
        return message
    if status == "failed":
        raise AirflowFailException(str(TaskFailedError(checknumber_task_id)))
    if status == "timeout":
        raise AirflowSensorTimeout(timed_out(checknumber_task_id))
    if status == "execution_timeout":
        raise AirflowTaskTimeout(timed_out(checknumber_task_id))
    raise AirflowFailException(message)
