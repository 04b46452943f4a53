"""How late is the end of a task noticed, and after how many questions? A simulation, no clock and no network.

``python -m tests.benchmarks.polling [--json]`` lets two hundred waits begin at once for each kind and
duration of task and prints a table. Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import mean

from airflow_provider_checknumber.client.models import Task, TaskStatus
from airflow_provider_checknumber.client.polling import first_pause
from airflow_provider_checknumber.client.waiting import Wait

AT_ONCE = 200
DURATIONS = (30, 60, 300, 1_800, 7_200, 21_600)
NUMBERS = 20_000

#: A mean lag of this share of the duration, or of so many seconds, whichever is more; and so many polls.
MAX_LAG_SHARE, MAX_LAG_SECONDS, MAX_POLLS = 0.05, 3.0, 25

Curve = Callable[[float], float]


def linear(random: random.Random) -> Curve:
    return lambda time: time


def slow_start(random: random.Random) -> Curve:
    power = random.uniform(1.5, 3)
    return lambda time: time**power


def stalling(random: random.Random) -> Curve:
    """Stands still twice, at some point in the first and in the second half, a tenth to a quarter of the time."""
    first, second = random.uniform(0.1, 0.4), random.uniform(0.1, 0.25)
    stalls = ((random.uniform(0.1, 0.5), first), (random.uniform(0.6, 0.9), second))
    moving = 1 - first - second

    def progress(time: float) -> float:
        for at, lasts in stalls:
            if time > at * moving:
                time = max(at * moving, time - lasts)
        return time / moving

    return progress


KINDS: dict[str, Callable[[random.Random], Curve]] = {
    "linear": linear,
    "slow-start": slow_start,
    "stalling": stalling,
}


class SimulatedTask:
    """A task that is queued for up to a tenth of its duration, works, and then writes its archive."""

    def __init__(self, kind: str, duration: float, random: random.Random) -> None:
        self.duration = duration
        self._curve = KINDS[kind](random)
        self._begins = duration * random.uniform(0.01, 0.1)
        self._done = duration * random.uniform(0.98, 1)
        self._made = datetime(2026, 1, 1, tzinfo=UTC)

    def at(self, time: float) -> Task:
        working = (time - self._begins) / (self._done - self._begins)
        status = TaskStatus.PENDING if working < 0 else TaskStatus.PROCESSING
        return Task(
            task_id="simulated",
            status=TaskStatus.EXPORTED if time >= self.duration else status,
            total=NUMBERS,
            success=int(NUMBERS * self._curve(min(max(working, 0.0), 1.0))),
            created_at=self._made,
            updated_at=self._made + timedelta(seconds=time if working >= 0 else 0),
        )


@dataclass(frozen=True)
class Row:
    """What came of all the waits for one kind and duration: seconds, questions."""

    kind: str
    duration: int
    mean_lag: float
    mean_lag_share: float
    max_lag: float
    mean_polls: float
    max_polls: int
    busiest_second: int

    @property
    def met(self) -> bool:
        return (
            self.mean_lag <= max(MAX_LAG_SHARE * self.duration, MAX_LAG_SECONDS)
            and self.max_polls <= MAX_POLLS
        )


def wait_for(task: SimulatedTask, random: random.Random) -> list[float]:
    """Return when it was asked for; the last time is when it was found exported."""
    wait = Wait(jitter=random.random)
    asked = [first_pause(waiters=AT_ONCE, jitter=random.random())]
    while asked[-1] < task.duration:
        wait.saw(task.at(asked[-1]), now=asked[-1])
        asked.append(asked[-1] + wait.pause())
    return asked


def simulate(kind: str, duration: int, *, at_once: int = AT_ONCE, seed: int = 1) -> Row:
    """Let ``at_once`` waits begin together for tasks of one kind and duration, made at that moment."""
    chance = random.Random(f"{kind} {duration} {seed}")
    waits = [wait_for(SimulatedTask(kind, duration, chance), chance) for _ in range(at_once)]
    lags = [asked[-1] - duration for asked in waits]
    polls = [len(asked) for asked in waits]
    seconds = Counter(int(moment) for asked in waits for moment in asked)
    return Row(
        kind=kind,
        duration=duration,
        mean_lag=round(mean(lags), 2),
        mean_lag_share=round(mean(lags) / duration, 4),
        max_lag=round(max(lags), 2),
        mean_polls=round(mean(polls), 1),
        max_polls=max(polls),
        busiest_second=max(seconds.values()),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    as_json = parser.parse_args(arguments).json
    rows = [simulate(kind, duration) for kind in KINDS for duration in DURATIONS]
    met = all(row.met for row in rows)
    if as_json:
        print(
            json.dumps(
                {"at_once": AT_ONCE, "met": met, "rows": [{**asdict(row), "met": row.met} for row in rows]}
            )
        )
        return 0 if met else 1
    print(f"{AT_ONCE} waits at once; lag between a task's end and its detection, in seconds")
    print(
        f"{'kind':<11}{'duration':>9}{'mean lag':>10}{'of it':>8}{'max lag':>9}{'polls':>7}{'max':>5}{'a second':>10}  target"
    )
    for row in rows:
        print(
            f"{row.kind:<11}{row.duration:>7} s{row.mean_lag:>10.1f}{row.mean_lag_share:>8.1%}{row.max_lag:>9.1f}"
            f"{row.mean_polls:>7.1f}{row.max_polls:>5}{row.busiest_second:>10}  {'met' if row.met else 'MISSED'}"
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
