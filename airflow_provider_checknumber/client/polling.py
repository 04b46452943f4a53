"""When to ask again how a task stands: one rule, for every wait in a worker or in the triggerer.

Not for: what has been seen of a task (``waiting`` keeps that), nor for what the service asks for
(``Retry-After``). How well the rule does is simulated by ``python -m tests.benchmarks.polling``.
"""

from __future__ import annotations

#: Shortest and longest time between two questions, in seconds, where the user does not say. A task of
#: thirty seconds is noticed within three; an hour is a twentieth of a task of twenty hours.
POKE_INTERVAL = 3.0
MAX_POKE_INTERVAL = 3_600.0

#: A pause shorter than this share of the task's age would be noticed by nobody and asked for by all.
_SHORTEST = 0.05
#: An estimate is believed when the end is nearer than this share of the task's age.
_NEAR = 0.25
#: Without progress, each pause is this much longer than the time without progress so far.
_BACKOFF = 0.8
#: Pauses are made longer by up to this share, so that waits that begin together do not go on together.
_JITTER = 0.1

#: Seconds over which the first questions are spread, for each wait that there is already.
_SPREAD = 0.01


def pause(
    *,
    age: float,
    idle: float,
    left: float | None,
    jitter: float,
    poke_interval: float = POKE_INTERVAL,
    max_poke_interval: float = MAX_POKE_INTERVAL,
) -> float:
    """
    Return the seconds until the next question.

    While the end is far, the next question comes after half the time that seems to be left, for tasks
    speed up and slow down; when it is near, right when the end is due. Without progress, or without an
    answer, pauses grow in proportion to the time that this has lasted.

    :param age: seconds since the task was made.
    :param idle: seconds since it last made progress (or gave an answer); 0 if it just has.
    :param left: seconds until its end at the speed seen, or None where no speed has been seen, or where
        all numbers are done and only the export is missing.
    :param jitter: a random number from 0 to 1.
    :param poke_interval: shortest pause in seconds.
    :param max_poke_interval: longest pause in seconds; never shorter than ``poke_interval``.
    """
    if left is None:
        step = _BACKOFF * idle
    else:
        step = left if left <= _NEAR * age else min(left / 2, age / 2)
        if idle > 0:
            step = min(step, _BACKOFF * idle)
    step = max(step, _SHORTEST * age, poke_interval) * (1 + _JITTER * jitter)
    return min(step, max(poke_interval, max_poke_interval))


def first_pause(*, waiters: int, jitter: float, poke_interval: float = POKE_INTERVAL) -> float:
    """
    Return the seconds until the first question.

    One wait asks at once; thousands that a triggerer starts together spread over ``poke_interval``.

    :param waiters: how many waits share the connection, this one included.
    :param jitter: a random number from 0 to 1.
    :param poke_interval: longest such pause, in seconds.
    """
    return min((waiters - 1) * _SPREAD, poke_interval) * jitter
