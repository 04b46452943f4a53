"""The rule of when to ask again, and the targets it has to meet in the simulation."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_checknumber.client import (
    GatewayError,
    RateLimitedError,
    ServiceUnreachableError,
    Task,
    TaskStatus,
    UnreadableAnswerError,
)
from airflow_provider_checknumber.client.polling import first_pause, pause
from airflow_provider_checknumber.client.waiting import Wait
from tests.benchmarks.polling import AT_ONCE, DURATIONS, KINDS, SimulatedTask, simulate

SECONDS = st.floats(0, 1e6)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(task_id="d4g8", status=TaskStatus.PROCESSING, total=1000, created_at=CREATED, updated_at=CREATED)


def seen(done: int, *, age: float = 0.0) -> Task:
    return replace(TASK, success=done, updated_at=CREATED + timedelta(seconds=age))


@given(
    age=SECONDS,
    idle=SECONDS,
    left=st.none() | SECONDS,
    jitter=st.floats(0, 1),
    shortest=st.floats(0, 1e4),
    longest=st.floats(0, 1e4),
)
def test_a_pause_is_within_its_bounds(age, idle, left, jitter, shortest, longest):
    seconds = pause(
        age=age, idle=idle, left=left, jitter=jitter, poke_interval=shortest, max_poke_interval=longest
    )

    assert shortest <= seconds <= max(shortest, longest)


def test_the_question_comes_when_the_end_is_due():
    assert pause(age=100, idle=0, left=20, jitter=0) == 20


def test_a_distant_end_is_approached_in_halves():
    assert pause(age=100, idle=0, left=80, jitter=0) == 40


def test_a_young_task_is_not_believed_to_last_for_long():
    assert pause(age=10, idle=0, left=100_000, jitter=0) == 5


def test_pauses_without_progress_grow():
    clock, pauses = 0.0, []
    for _ in range(8):
        pauses.append(pause(age=clock, idle=clock, left=None, jitter=0))
        clock += pauses[-1]

    assert pauses[0] == 3
    assert all(earlier <= later < 2 * earlier for earlier, later in pairwise(pauses))
    assert pauses[-1] > 10 * pauses[0]


def test_waits_that_begin_together_do_not_go_on_together():
    pauses = {pause(age=100, idle=0, left=80, jitter=jitter / 10) for jitter in range(10)}

    assert len(pauses) == 10
    assert max(pauses) < 1.1 * min(pauses)


def test_one_wait_asks_at_once_and_thousands_spread():
    assert first_pause(waiters=1, jitter=1) == 0
    assert 1 < first_pause(waiters=200, jitter=1, poke_interval=5) < 5
    assert first_pause(waiters=10_000, jitter=1, poke_interval=5) == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("duration", DURATIONS)
def test_the_end_is_noticed_early_after_few_questions(kind, duration):
    row = simulate(kind, duration, seed=7)

    assert row.mean_lag <= max(0.05 * duration, 3)
    assert row.max_polls <= 25
    assert row.busiest_second < AT_ONCE


def test_a_service_that_is_away_for_ten_minutes_is_asked_seldom_and_noticed_when_it_is_back():
    chance, away = random.Random(7), range(600, 1200)
    task = SimulatedTask("linear", 3600, chance)
    wait, clock, asked = Wait(jitter=chance.random), 0.0, []
    while clock < 1200:
        asked.append(clock)
        if int(clock) in away:
            wait.missed(ServiceUnreachableError("away"), now=clock)
        else:
            wait.saw(task.at(clock), now=clock)
        clock += wait.pause()

    assert 5 < sum(int(moment) in away for moment in asked) < 20
    assert clock - 1200 < 70


class TestAWait:
    @pytest.fixture
    def wait(self) -> Wait:
        return Wait(poke_interval=3, max_poke_interval=3600, jitter=lambda: 0.0)

    def test_takes_the_tasks_age_from_the_service(self, wait):
        """So that a wait that goes on in another triggerer, or in the next poke, asks as seldom as before."""
        wait.saw(seen(500, age=1000), now=50.0)

        assert wait.pause() == 500

    def test_says_how_far_the_task_is_and_how_long_it_will_take(self, wait):
        assert wait.saw(seen(0), now=0.0) == (
            "CheckNumber task d4g8 is processing: 0 of 1,000 numbers (0.0%)."
        )
        assert wait.saw(seen(250, age=600), now=600.0) == (
            "CheckNumber task d4g8 is processing: 250 of 1,000 numbers (25.0%), about 30 min left."
        )

    def test_says_the_services_own_word_for_a_status_it_does_not_know(self, wait):
        task = replace(TASK, status=TaskStatus.UNKNOWN, raw_status="on hold", total=0)

        assert wait.saw(task, now=0.0) == "CheckNumber task d4g8 is on hold."

    def test_believes_the_latest_speed_where_it_is_higher(self, wait):
        """Tasks start slowly; the average of all the time would let their end pass."""
        wait.saw(seen(0), now=0.0)
        wait.saw(seen(100), now=100.0)
        wait.saw(seen(800), now=200.0)

        assert wait.pause() == pytest.approx(100 * 200 / 700)

    def test_backs_off_while_a_task_stands_still(self, wait):
        wait.saw(seen(0), now=0.0)
        wait.saw(seen(100), now=100.0)
        wait.saw(seen(100), now=110.0)
        still_short = wait.pause()
        wait.saw(seen(100), now=200.0)

        assert still_short == 8
        assert wait.pause() == 80

    def test_backs_off_while_the_service_is_away_and_recovers(self, wait):
        pauses, clock = [], 0.0
        for _ in range(10):
            wait.missed(GatewayError("away"), now=clock)
            pauses.append(wait.pause())
            clock += wait.pause()
        wait.saw(seen(500, age=100), now=clock)

        assert pauses == sorted(pauses)
        assert mean(pauses) > 10
        assert wait.pause() == 50

    def test_waits_at_least_as_long_as_the_service_asks_for(self, wait):
        wait.missed(RateLimitedError("slow down", retry_after=7200), now=0.0)

        assert wait.pause() == 7200

    def test_gives_up_on_a_host_that_only_says_what_cannot_be_read(self, wait):
        for _ in range(9):
            wait.missed(UnreadableAnswerError("what?"), now=0.0)
        wait.missed(GatewayError("away"), now=0.0)
        for _ in range(9):
            wait.missed(UnreadableAnswerError("what?"), now=0.0)

        with pytest.raises(UnreadableAnswerError):
            wait.missed(UnreadableAnswerError("what?"), now=0.0)
