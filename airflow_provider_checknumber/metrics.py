"""
What is counted and timed with Airflow's metrics, by names that ``operators/README.md`` lists.

Tags are few-valued: a service, a task type, a status. Never a number, an id or a table.
Not for: what one run has done, which its log and its XComs tell.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_checknumber.client import Endpoint, Task

#: What no metrics backend gives a meaning of its own.
_OTHERS = re.compile(r"[^A-Za-z0-9_.-]")


def submitted(endpoint: Endpoint, task_type: str, numbers: int) -> None:
    """
    Count a submission that the service has accepted.

    :param endpoint: the service.
    :param task_type: its name of the check.
    :param numbers: how many were sent.
    """
    tags = _tags(endpoint, task_type=task_type)
    _count("checknumber.submissions", 1, tags)
    _count("checknumber.numbers_submitted", numbers, tags)


def saved(endpoint: Endpoint, task_type: str, numbers: int) -> None:
    """Count numbers that were not submitted because the results table answers them."""
    _count("checknumber.numbers_saved", numbers, _tags(endpoint, task_type=task_type))


def polled(endpoint: Endpoint, task: Task | None, *, began: datetime | None) -> None:
    """
    Count a question about a task, and time the wait where its answer is the last one.

    :param endpoint: the service.
    :param task: its answer, None where a fault came instead.
    :param began: when the wait did, None if nobody knows.
    """
    tags = _tags(endpoint, status="fault" if task is None else task.status.value)
    _count("checknumber.polls", 1, tags)
    if task is not None and task.status.is_terminal and began is not None:
        _time("checknumber.wait", datetime.now(UTC) - began, tags)


def written(endpoint: Endpoint, task_type: str, *, what: str, rows: int, seconds: float) -> None:
    """
    Count the rows of a result and time their way.

    :param endpoint: the service.
    :param task_type: its name of the check.
    :param what: ``load`` into a table, or ``export`` to object storage.
    :param rows: how many came there.
    :param seconds: from the question for the result to the end.
    """
    tags = _tags(endpoint, task_type=task_type)
    _count(f"checknumber.rows_{what}ed", rows, tags)
    _time(f"checknumber.{what}", timedelta(seconds=seconds), tags)


def _count(name: str, by: int, tags: dict[str, str]) -> None:
    # What cannot be counted must not end what it counts: a wait, or a submission that is paid for.
    with suppress(Exception):
        Stats.incr(name, by, tags=tags)


def _time(name: str, duration: timedelta, tags: dict[str, str]) -> None:
    with suppress(Exception):
        Stats.timing(name, duration, tags=tags)


def _tags(endpoint: Endpoint, **tags: str) -> dict[str, str]:
    return {name: _plain(value) for name, value in {"service": endpoint.host, **tags}.items()}


@lru_cache(maxsize=256)
def _plain(value: str) -> str:
    return _OTHERS.sub("_", value)
