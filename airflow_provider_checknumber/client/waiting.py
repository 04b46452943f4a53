"""One wait for one task: what has been seen of it, how to say so, and when to ask again.

Not for: asking (the clients do), nor for ending the wait (the sensor and its trigger do). Without a
clock of its own, so that a simulation can run it: every time is a ``time.monotonic()`` handed in.
"""

from __future__ import annotations

from airflow_provider_checknumber.client.errors import CheckNumberTransientError, UnreadableAnswerError
from airflow_provider_checknumber.client.models import Task, TaskStatus

#: So many unreadable answers in a row are no passing fault: the host is not the service.
MAX_UNREADABLE = 10


class Wait:
    """
    The course of one wait.

    :param poke_interval: seconds between two questions.
    """

    def __init__(self, *, poke_interval: float) -> None:
        self.poke_interval = poke_interval
        self._first: tuple[float, int] | None = None
        self._unreadable = 0
        self._retry_after = 0.0

    def saw(self, task: Task, *, now: float) -> str:
        """
        Note an answer.

        :param task: the task as it stands.
        :param now: when the answer came, in seconds of a monotonic clock.
        :return: a sentence for the log, with counts, percent and an estimate of the time left.
        """
        self._unreadable, self._retry_after = 0, 0.0
        if self._first is None and task.progress is not None:
            self._first = (now, task.processed)
        status = task.raw_status if task.status is TaskStatus.UNKNOWN else task.status.value
        if task.progress is None:
            return f"CheckNumber task {task.task_id} is {status}."
        words = (
            f"CheckNumber task {task.task_id} is {status}: {task.processed:,} of {task.total:,} numbers "
            f"({task.progress:.1%})"
        )
        left = self._seconds_left(task, now)
        return f"{words}." if left is None else f"{words}, about {_duration(left)} left."

    def missed(self, error: CheckNumberTransientError) -> None:
        """
        Note a question that got no answer.

        :raises CheckNumberTransientError: ``error`` itself, where it has lasted too long to be passing.
        """
        self._retry_after = error.retry_after or 0.0
        self._unreadable = self._unreadable + 1 if isinstance(error, UnreadableAnswerError) else 0
        if self._unreadable >= MAX_UNREADABLE:
            raise error

    def pause(self) -> float:
        """Return the seconds until the next question; never less than the service asks for."""
        return max(self.poke_interval, self._retry_after)

    def _seconds_left(self, task: Task, now: float) -> float | None:
        """Estimate from the speed since the first answer, or from the service's own times on the first."""
        if self._first is None or task.status.is_terminal:
            return None
        since, then = self._first
        seconds, done = now - since, task.processed - then
        if seconds <= 0 and task.created_at is not None and task.updated_at is not None:
            seconds, done = (task.updated_at - task.created_at).total_seconds(), task.processed
        return (task.total - task.processed) * seconds / done if done > 0 and seconds > 0 else None


def _duration(seconds: float) -> str:
    """Say a duration the way a person would: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
