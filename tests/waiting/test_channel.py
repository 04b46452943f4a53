"""What waits of one connection share, and what they do not. Over real HTTP, against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from airflow_provider_checknumber.client import (
    AuthenticationError,
    CheckNumberClient,
    ConnectionLostError,
    Endpoint,
    RateLimitedError,
    Timing,
    channel,
)
from airflow_provider_checknumber.client.async_client import MAX_CONNECTIONS
from airflow_provider_checknumber.client.channel import Channel, Settings, shared_channel
from airflow_provider_checknumber.sandbox import Sandbox

ONE_TRY = Timing(connect=2, read=5, attempts=1)


class Lookup:
    """Reads settings that a test changes, and counts how often it is asked to."""

    def __init__(self, *endpoints: Endpoint | Exception) -> None:
        self.answers = list(endpoints)
        self.count = 0

    async def __call__(self) -> Settings:
        self.count += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer, ONE_TRY


@pytest.fixture
def endpoint(sandbox: Sandbox) -> Endpoint:
    return Endpoint(sandbox.url, sandbox.api_key)


@pytest.fixture
def expired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are looked up again for every question."""
    monkeypatch.setattr(channel, "SETTINGS_LIFETIME", -1.0)


@asynccontextmanager
async def joined(look_up: Lookup, count: int, name: str = "conn") -> AsyncIterator[list[Channel]]:
    """Let ``count`` waits join, as their triggers do."""
    leave = asyncio.Event()
    channels: list[Channel] = []

    async def wait() -> None:
        async with shared_channel(name, look_up) as shared:
            channels.append(shared)
            await leave.wait()

    waits = [asyncio.create_task(wait()) for _ in range(count)]
    await asyncio.sleep(0)
    yield channels
    leave.set()
    await asyncio.gather(*waits)


async def held(sandbox: Sandbox) -> None:
    """Wait until the sandbox holds a question."""
    while not sandbox.state()["faults"][0]["waiting"]:  # noqa: ASYNC110 - it is in another thread
        await asyncio.sleep(0.01)


async def test_waits_share_one_lookup_and_a_bounded_number_of_connections(sandbox, endpoint, exported):
    look_up = Lookup(endpoint)

    async with joined(look_up, 300) as channels:
        await asyncio.gather(*(shared.get_task(exported) for shared in channels))

    assert len(set(channels)) == 1
    assert look_up.count == 1
    assert sandbox.state()["calls"]["gettasks"] == 300
    assert sandbox.state()["connections_opened"] <= MAX_CONNECTIONS + 1  # and the one that submitted


async def test_connections_are_used_again(sandbox, endpoint, exported):
    before = sandbox.state()["connections_opened"]

    async with joined(Lookup(endpoint), 10) as channels:
        for shared in channels:
            await shared.get_task(exported)

    assert sandbox.state()["connections_opened"] == before + 1


async def test_the_last_one_to_leave_closes_and_the_next_one_begins_anew(sandbox, endpoint, exported):
    before, look_up = sandbox.state()["connections_opened"], Lookup(endpoint)

    async with joined(look_up, 1) as (first,):
        async with joined(look_up, 2) as (second, third):
            await second.get_task(exported)
        await first.get_task(exported)
    async with joined(look_up, 1) as (fourth,):
        await fourth.get_task(exported)

    assert first is second is third
    assert fourth is not first
    assert look_up.count == 2
    assert sandbox.state()["connections_opened"] == before + 2


async def test_a_wait_that_is_cancelled_leaves(endpoint, exported, sandbox):
    sandbox.set_fault("hold", endpoint="gettasks", when="before")

    async def wait() -> None:
        async with shared_channel("conn", Lookup(endpoint)) as shared:
            await shared.get_task(exported)

    waiting = asyncio.create_task(wait())
    await held(sandbox)
    (shared,) = channel._channels[asyncio.get_running_loop()].values()
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting

    assert shared.waiters == 0
    assert not channel._channels[asyncio.get_running_loop()]


def test_event_loops_share_nothing(endpoint, exported):
    look_up = Lookup(endpoint)

    async def wait() -> Channel:
        async with joined(look_up, 1) as (shared,):
            await shared.get_task(exported)
        return shared

    assert asyncio.run(wait()) is not asyncio.run(wait())
    assert look_up.count == 2


async def test_connections_share_nothing(endpoint, exported):
    async with joined(Lookup(endpoint), 1, "one") as (one,), joined(Lookup(endpoint), 1, "other") as (other,):
        assert one is not other


@pytest.fixture
def other_account(tmp_path) -> Iterator[tuple[Sandbox, str]]:
    """Another sandbox, and a task there."""
    numbers = tmp_path / "other.txt"
    numbers.write_text("+12025550100\n")
    with Sandbox(queue_seconds=0) as sandbox:
        with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
            task_id = client.submit_task(numbers, "Twitter").task_id
        yield sandbox, task_id


@pytest.mark.usefixtures("expired")
async def test_a_changed_connection_takes_effect_and_the_question_under_way_is_answered(
    sandbox, endpoint, exported, other_account
):
    other, task_there = other_account
    hold = sandbox.set_fault("hold", endpoint="gettasks")

    async with joined(Lookup(endpoint, Endpoint(other.url, other.api_key)), 1) as (shared,):
        under_way = asyncio.create_task(shared.get_task(exported))
        await held(sandbox)
        assert (await shared.get_task(task_there)).task_id == task_there
        sandbox.clear_faults(hold)
        assert (await under_way).task_id == exported


@pytest.mark.usefixtures("expired")
async def test_the_session_stays_where_the_connection_has_not_changed(sandbox, endpoint, exported):
    before, look_up = sandbox.state()["connections_opened"], Lookup(endpoint)

    async with joined(look_up, 1) as (shared,):
        for _ in range(5):
            await shared.get_task(exported)

    assert look_up.count == 5
    assert sandbox.state()["connections_opened"] == before + 1


async def test_a_key_that_has_just_been_changed_is_looked_up_before_it_is_called_refused(endpoint, exported):
    look_up = Lookup(Endpoint(endpoint.base_url, "old"), endpoint)

    async with joined(look_up, 50) as channels:
        await asyncio.gather(*(shared.get_task(exported) for shared in channels))

    assert look_up.count == 2


async def test_a_revoked_key_is_refused_to_all_after_one_more_lookup(endpoint, exported):
    look_up = Lookup(Endpoint(endpoint.base_url, "revoked"))

    async with joined(look_up, 50) as channels:
        answers = await asyncio.gather(
            *(shared.get_task(exported) for shared in channels), return_exceptions=True
        )

    assert {type(answer) for answer in answers} == {AuthenticationError}
    assert look_up.count < 10


@pytest.mark.usefixtures("expired")
async def test_waits_outlast_a_lookup_that_fails(endpoint, exported):
    async with joined(Lookup(endpoint, OSError("no database"), endpoint), 1) as (shared,):
        for _ in range(3):
            await shared.get_task(exported)


async def test_a_first_lookup_that_fails_is_told(endpoint, exported):
    async with joined(Lookup(OSError("no database")), 1) as (shared,):
        with pytest.raises(OSError, match="no database"):
            await shared.get_task(exported)


class TestWhenTheServiceAsksForFewerQuestions:
    async def refused(self, shared: Channel, task_id: str) -> None:
        with pytest.raises(RateLimitedError):
            await shared.get_task(task_id)

    async def test_all_waits_of_the_connection_hold_back_for_as_long_as_it_says(
        self, sandbox, endpoint, exported
    ):
        sandbox.set_fault("status", endpoint="gettasks", status=429, retry_after=60)

        async with (
            joined(Lookup(endpoint), 300) as channels,
            joined(Lookup(endpoint), 1, "other") as (other,),
        ):
            await self.refused(channels[0], exported)
            holds = [shared.hold() for shared in channels]

            assert all(59 < hold < 60 + 3.1 for hold in holds)
            assert len(set(holds)) > 200  # They do not all come back in the same moment.
            assert other.hold() == 0

    async def test_they_hold_back_longer_and_longer_where_it_does_not_say(self, sandbox, endpoint, exported):
        sandbox.set_fault("status", endpoint="gettasks", status=429, times=3)

        async with joined(Lookup(endpoint), 1) as (shared,):
            holds = []
            for _ in range(3):
                await self.refused(shared, exported)
                holds.append(shared.hold())
                shared._quiet_until = 0.0
            await shared.get_task(exported)

            assert [round(hold) for hold in holds] == [5, 10, 20]
            assert shared.hold() == 0

    async def test_other_faults_hold_back_nobody_else(self, sandbox, endpoint, exported):
        sandbox.set_fault("drop", endpoint="gettasks")

        async with joined(Lookup(endpoint), 1) as (shared,):
            with pytest.raises(ConnectionLostError):
                await shared.get_task(exported)

            assert shared.hold() == 0
