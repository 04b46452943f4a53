"""
Asks how a task stands until it has ended, the time is over, or an error is hopeless: what a trigger does.

Not for: what Airflow wants of a trigger (``checknumber``), nor for when to ask (``client.polling``).
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_checknumber import metrics
from airflow_provider_checknumber.client import CheckNumberError, CheckNumberTransientError, Task
from airflow_provider_checknumber.client.channel import Channel
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.links.checknumber import XCOM_KEY
from airflow_provider_checknumber.triggers.checknumber import CheckNumberTaskTrigger, timed_out
from airflow_provider_checknumber.version_compat import push_xcom

#: Seconds that the answer to the last question, asked at the deadline, may take.
_LAST_ANSWER = 10.0

#: Seconds. An event loop that wakes for every question takes half as much CPU again.
_TOGETHER = 0.25

#: The class's: `trigger.log` makes each trigger a logger of its own, of two kilobytes.
_log = CheckNumberTaskTrigger.logger()


async def ask_until_over(trigger: CheckNumberTaskTrigger) -> dict[str, Any]:
    """Return the event for the trigger to fire."""
    began = trigger.began()
    deadline, status = trigger.deadline(began)
    counts: dict[str, int] = {}
    # A service that never answers must not hold the wait beyond its end.
    longest = max(_seconds_until(deadline), 0.0) + _LAST_ANSWER if deadline else None
    try:
        async with (
            asyncio.timeout(longest) as limit,
            CheckNumberHook(trigger.checknumber_conn_id).share_channel() as channel,
        ):
            await _leave_link(trigger, channel)
            if ended := await _ask_until(deadline, trigger, channel, began=began, counts=counts):
                return ended
    except (CheckNumberError, AirflowNotFoundException) as error:
        return trigger.event("error", str(error))
    except TimeoutError:
        if not limit.expired():
            raise
        _log.warning("The service has not answered before the wait's end.")
    return trigger.event(status, timed_out(trigger.checknumber_task_id), **counts)


async def _leave_link(trigger: CheckNumberTaskTrigger, channel: Channel) -> None:
    """Leave the link to the dashboard, as a worker does before it defers."""
    if trigger.started_at is not None or trigger.task_instance is None:
        return
    try:
        endpoint = await channel.connect()
        await push_xcom(trigger.task_instance, endpoint.dashboard_url, key=XCOM_KEY)
    except (CheckNumberError, AirflowNotFoundException):
        raise
    except Exception:
        _log.warning("The link to the service's dashboard could not be kept.", exc_info=True)


async def _ask_until(
    deadline: datetime | None,
    trigger: CheckNumberTaskTrigger,
    channel: Channel,
    *,
    began: datetime,
    counts: dict[str, int],
) -> dict[str, Any] | None:
    """Return the event of the task's end, None where the deadline came first; keep its last ``counts``."""
    wait = Wait(poke_interval=trigger.poke_interval, max_poke_interval=trigger.max_poke_interval)
    logged: tuple[str, int] | None = None
    pause = channel.spread(trigger.poke_interval)
    while True:
        await asyncio.sleep(_with_others(min(pause, max(_seconds_until(deadline), 0.0))))
        pause = channel.hold()
        if not pause:
            task = await _ask(trigger, channel, wait)
            if channel.endpoint is not None:
                metrics.polled(channel.endpoint, task, began=began)
            if task is not None:
                said = wait.saw(task, now=time.monotonic())
                counts.update(total=task.total, success=task.success, failure=task.failure)
                if task.status.is_terminal:
                    return trigger.event(task.status.value, said, **counts)
                if logged != (logged := (task.raw_status, task.processed)):
                    _log.info("%s", said)
                del task  # Each of ten thousand waits would keep its last answer while it sleeps.
            pause = wait.pause()
        if _seconds_until(deadline) <= 0:
            return None


async def _ask(trigger: CheckNumberTaskTrigger, channel: Channel, wait: Wait) -> Task | None:
    """Ask once; None where a fault is to be waited out."""
    try:
        return await channel.get_task(trigger.checknumber_task_id)
    except CheckNumberTransientError as error:
        wait.missed(error, now=time.monotonic())
        _log.warning("%s Waiting goes on.", error)
    except (CheckNumberError, AirflowNotFoundException):
        raise
    except Exception:
        if not trigger.silent_fail:
            raise
        _log.exception("Asking for CheckNumber task %s failed. Waiting goes on.", trigger.checknumber_task_id)
    return None


def _with_others(seconds: float) -> float:
    """Return a pause that is a little longer, so that the waits that are due at about one time wake at once."""
    if seconds < 10 * _TOGETHER:
        return seconds
    now = asyncio.get_running_loop().time()
    return math.ceil((now + seconds) / _TOGETHER) * _TOGETHER - now


def _seconds_until(moment: datetime | None) -> float:
    return math.inf if moment is None else (moment - datetime.now(UTC)).total_seconds()
