"""
Asks how a task stands until it has ended, the time is over, or an error is hopeless: what a trigger does.

Not for: what Airflow wants of a trigger (``checknumber``), nor for when to ask (``client.polling``).
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_checknumber import metrics
from airflow_provider_checknumber.client import CheckNumberError, CheckNumberTransientError, Task
from airflow_provider_checknumber.client.channel import Channel
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.links.checknumber import XCOM_KEY
from airflow_provider_checknumber.triggers.checknumber import timed_out
from airflow_provider_checknumber.version_compat import push_xcom

if TYPE_CHECKING:
    from airflow_provider_checknumber.triggers.checknumber import CheckNumberTaskTrigger

#: Seconds that the answer to the last question, asked at the deadline, may take.
_LAST_ANSWER = 10.0


async def ask_until_over(trigger: CheckNumberTaskTrigger) -> dict[str, Any]:
    """Return the event for the trigger to fire."""
    try:
        await _leave_link(trigger)
        async with CheckNumberHook(trigger.checknumber_conn_id).share_channel() as channel:
            return await _ask_until_over(trigger, channel)
    except (CheckNumberError, AirflowNotFoundException) as error:
        return trigger.event("error", str(error))


async def _leave_link(trigger: CheckNumberTaskTrigger) -> None:
    """Leave the link to the dashboard, as a worker does before it defers."""
    if trigger.started_at is not None or trigger.task_instance is None:
        return
    link = await CheckNumberHook(trigger.checknumber_conn_id).aget_dashboard_url()
    try:
        await push_xcom(trigger.task_instance, link, key=XCOM_KEY)
    except Exception:
        trigger.log.warning("The link to the service's dashboard could not be kept.", exc_info=True)


async def _ask_until_over(trigger: CheckNumberTaskTrigger, channel: Channel) -> dict[str, Any]:
    wait = Wait(poke_interval=trigger.poke_interval, max_poke_interval=trigger.max_poke_interval)
    began = trigger.began()
    deadline, status = trigger.deadline(began)
    counts: dict[str, int] = {}
    pause = channel.spread(trigger.poke_interval)
    while True:
        await asyncio.sleep(min(pause, max(_seconds_until(deadline), 0.0)))
        pause = channel.hold()
        if not pause:
            # A service that never answers must not hold the wait beyond its end.
            patience = max(_seconds_until(deadline), _LAST_ANSWER)
            task = await _ask(trigger, channel, wait, patience=patience)
            if channel.endpoint is not None:
                metrics.polled(channel.endpoint, task, began=began)
            if task is not None:
                said = wait.saw(task, now=time.monotonic())
                counts = {"total": task.total, "success": task.success, "failure": task.failure}
                if task.status.is_terminal:
                    return trigger.event(task.status.value, said, **counts)
                trigger.log.info("%s", said)
            pause = wait.pause()
        if _seconds_until(deadline) <= 0:
            return trigger.event(status, timed_out(trigger.checknumber_task_id), **counts)


async def _ask(
    trigger: CheckNumberTaskTrigger, channel: Channel, wait: Wait, *, patience: float
) -> Task | None:
    """Ask once; None where a fault is to be waited out."""
    try:
        async with asyncio.timeout(patience if math.isfinite(patience) else None):
            return await channel.get_task(trigger.checknumber_task_id)
    except CheckNumberTransientError as error:
        wait.missed(error, now=time.monotonic())
        trigger.log.warning("%s Waiting goes on.", error)
    except (CheckNumberError, AirflowNotFoundException):
        raise
    except TimeoutError:
        trigger.log.warning("The service has not answered before the wait's end.")
    except Exception:
        if not trigger.silent_fail:
            raise
        trigger.log.exception(
            "Asking for CheckNumber task %s failed. Waiting goes on.", trigger.checknumber_task_id
        )
    return None


def _seconds_until(moment: datetime | None) -> float:
    return math.inf if moment is None else (moment - datetime.now(UTC)).total_seconds()
