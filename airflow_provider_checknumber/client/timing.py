"""How long a client waits, and how it repeats reads. A create is never repeated here: it is billed."""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import RetryCallState, wait_random_exponential

from airflow_provider_checknumber.client.errors import CheckNumberTransientError

#: Longest pause between two tries, in seconds. A service that asks for a longer one gets it from Airflow's
#: own retry, not from a worker that sleeps.
MAX_PAUSE = 300.0

_backoff = wait_random_exponential(multiplier=0.5, max=15.0)


@dataclass(frozen=True)
class Timing:
    """
    A client's patience.

    :param connect: seconds for the connection to stand.
    :param read: seconds for the answer to a read.
    :param submit: seconds between the end of an upload and its answer. Long, because giving up on a
        create leaves open whether it was billed.
    :param attempts: how often a read is tried before its transient error is raised.
    """

    connect: float = 10.0
    read: float = 60.0
    submit: float = 600.0
    attempts: int = 5


def worth_another_try(error: BaseException) -> bool:
    """Return whether the same call may work after a pause that a worker can sit out."""
    return isinstance(error, CheckNumberTransientError) and (error.retry_after or 0.0) <= MAX_PAUSE


def pause_before_next_try(state: RetryCallState) -> float:
    """Return the seconds until the next try: what the service asks for, or a random share of an exponential one."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, CheckNumberTransientError) else None
    return max(float(_backoff(state)), asked or 0.0)
