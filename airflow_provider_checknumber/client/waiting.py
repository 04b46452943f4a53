"""One wait for one task: what has been seen of it, how to say so, and when to ask again.

Not for: asking (the clients do), nor for ending the wait (the sensor and its trigger do). Without a
clock of its own, so that a simulation can run it: every time is a ``time.monotonic()`` handed in.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from airflow_provider_checknumber.client.errors import CheckNumberTransientError, UnreadableAnswerError
from airflow_provider_checknumber.client.models import Task, TaskStatus
from airflow_provider_checknumber.client.polling import MAX_POKE_INTERVAL, POKE_INTERVAL, pause

#: So many unreadable answers in a row are no passing fault: the host is not the service.
MAX_UNREADABLE = 10

#: Seconds within which a service that does not answer is expected back.
_BACK_WITHIN = 60.0


class Wait:
    """
    The course of one wait.

    :param poke_interval: shortest time between two questions, in seconds.
    :param max_poke_interval: longest time between two questions, in seconds.
    :param jitter: returns a random number from 0 to 1.
    """

    # Ten thousand waits share a triggerer.
    __slots__ = (
        "_answered_at",
        "_began",
        "_jitter",
        "_left",
        "_max_poke_interval",
        "_moved_at",
        "_pause",
        "_poke_interval",
        "_share",
        "_silent_since",
        "_speed",
        "_still_at",
        "_unreadable",
    )

    def __init__(
        self,
        *,
        poke_interval: float = POKE_INTERVAL,
        max_poke_interval: float = MAX_POKE_INTERVAL,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._poke_interval = poke_interval
        self._max_poke_interval = max_poke_interval
        self._jitter = jitter
        self._began: float | None = None  # when the task was made
        self._still_at = 0.0  # when it was last seen without any progress
        self._moved_at = 0.0  # when it last made progress
        self._answered_at = 0.0
        self._silent_since: float | None = None
        self._share = 0.0
        self._speed = 0.0  # shares a second, between the last two answers that differ
        self._left: float | None = None
        self._unreadable = 0
        self._pause = poke_interval

    def saw(self, task: Task, *, now: float) -> str:
        """
        Note an answer.

        :param task: the task as it stands.
        :param now: when the answer came, in seconds of a monotonic clock.
        :return: a sentence for the log, with counts, percent and an estimate of the time left.
        """
        self._unreadable, self._silent_since = 0, None
        if self._began is None:
            self._began = self._still_at = self._moved_at = self._answered_at = now - _age(task)
        self._note_progress(task.progress or 0.0, now)
        self._set_pause(age=now - self._began, idle=now - self._moved_at, left=self._left)
        return self._say(task)

    def missed(self, error: CheckNumberTransientError, *, now: float) -> None:
        """
        Note a question that got no answer.

        :param now: as for :meth:`saw`.
        :raises CheckNumberTransientError: ``error`` itself, where it has lasted too long to be passing.
        """
        self._unreadable = self._unreadable + 1 if isinstance(error, UnreadableAnswerError) else 0
        if self._unreadable >= MAX_UNREADABLE:
            raise error
        if self._silent_since is None:
            self._silent_since = now
        began = self._silent_since if self._began is None else self._began
        self._set_pause(age=now - began, idle=now - self._silent_since, left=_BACK_WITHIN)
        self._pause = max(self._pause, error.retry_after or 0.0)

    def pause(self) -> float:
        """Return the seconds until the next question; never less than the service asks for."""
        return self._pause

    def _note_progress(self, share: float, now: float) -> None:
        if share > self._share:
            if now > self._answered_at:
                self._speed = (share - self._share) / (now - self._answered_at)
            self._share, self._moved_at = share, now
        elif not share:
            self._still_at = now
        self._answered_at = now
        average = self._share / (now - self._still_at) if now > self._still_at else 0.0
        speed = max(average, self._speed)  # The faster one: to ask too early costs less than too late.
        self._left = (1 - share) / speed if speed > 0 and share < 1 else None

    def _set_pause(self, *, age: float, idle: float, left: float | None) -> None:
        self._pause = pause(
            age=age,
            idle=idle,
            left=left,
            jitter=self._jitter(),
            poke_interval=self._poke_interval,
            max_poke_interval=self._max_poke_interval,
        )

    def _say(self, task: Task) -> str:
        status = task.raw_status if task.status is TaskStatus.UNKNOWN else task.status.value
        if task.progress is None:
            return f"CheckNumber task {task.task_id} is {status}."
        words = (
            f"CheckNumber task {task.task_id} is {status}: {task.processed:,} of {task.total:,} numbers "
            f"({task.progress:.1%})"
        )
        if self._left is None or task.status.is_terminal:
            return f"{words}."
        return f"{words}, about {_duration(self._left)} left."


def _age(task: Task) -> float:
    """Return the seconds between the task's making and its last change, by the service's own clock."""
    if task.created_at is None or task.updated_at is None:
        return 0.0
    return max((task.updated_at - task.created_at).total_seconds(), 0.0)


def _duration(seconds: float) -> str:
    """Say a duration the way a person would: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
