"""The trigger on an event loop, as a triggerer runs it: made from what the database holds, and cancelled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.triggers.base import TaskSuccessEvent

from airflow_provider_checknumber.client import channel
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.triggers import asking
from airflow_provider_checknumber.triggers.checknumber import CheckNumberTaskTrigger, airflows_timeout
from tests.faults.gate import Gate


def made(checknumber_task_id: str, **arguments: Any) -> CheckNumberTaskTrigger:
    """Make a trigger, write it down as Airflow does, and make another one from that."""
    always = {"checknumber_conn_id": "checknumber_default", "poke_interval": 0.05, "max_poke_interval": 3600}
    trigger = CheckNumberTaskTrigger(checknumber_task_id=checknumber_task_id, **{**always, **arguments})
    path, kwargs = trigger.serialize()
    assert path == f"{CheckNumberTaskTrigger.__module__}.{CheckNumberTaskTrigger.__qualname__}"
    return CheckNumberTaskTrigger(**kwargs)


async def events(trigger: CheckNumberTaskTrigger) -> list[Any]:
    return [event async for event in trigger.run()]


async def test_one_event_tells_what_has_become_of_the_task(exported, failed):
    (event,) = await events(made(exported))

    assert event.payload == {
        "status": "exported",
        "checknumber_task_id": exported,
        "message": f"CheckNumber task {exported} is exported: 3 of 3 numbers (100.0%).",
        "total": 3,
        "success": 3,
        "failure": 0,
    }
    assert [event.payload["status"] for event in await events(made(failed))] == ["failed"]


def test_an_id_alone_waits_as_the_sensor_does():
    of_a_sensor = CheckNumberTaskSensor(task_id="wait", checknumber_task_id="d4g8")
    trigger = CheckNumberTaskTrigger(checknumber_task_id="d4g8")

    for argument in ("checknumber_conn_id", "poke_interval", "max_poke_interval"):
        assert getattr(trigger, argument) == getattr(of_a_sensor, argument)


async def test_no_event_holds_the_result_link(exported, sandbox):
    (event,) = await events(made(exported))

    assert "http" not in repr(event)


async def test_where_it_may_end_the_task_the_event_carries_the_xcom(exported):
    (event,) = await events(made(exported, end_from_trigger=True))

    assert isinstance(event, TaskSuccessEvent)
    assert event.xcoms == {"return_value": exported}


async def test_an_xcom_that_nobody_wants_is_not_carried(exported):
    (event,) = await events(made(exported, end_from_trigger=True, do_xcom_push=False))

    assert event.xcoms is None


async def test_a_failure_is_left_to_a_worker_which_knows_retries_and_soft_fail(failed):
    (event,) = await events(made(failed, end_from_trigger=True))

    assert event.payload["status"] == "failed"


async def test_the_deadline_is_kept_across_restarts(stuck):
    started_at = datetime.now(UTC) - timedelta(hours=2)

    (event,) = await events(made(stuck, started_at=started_at, timeout=7199, poke_interval=60))

    assert event.payload["status"] == "timeout"


@pytest.mark.parametrize(
    ("seconds", "execution_timeout", "status"),
    [(60, None, "timeout"), (60, 3600, "timeout"), (3600, 60, "execution_timeout"), (60, 61, "timeout")],
)
async def test_the_deadline_is_kept_for_a_wait_that_started_in_the_triggerer(
    stuck, seconds, execution_timeout, status
):
    """Airflow then keeps one deadline, of its own making; a minute and a half ago ours has passed."""
    trigger = made(stuck, timeout=seconds, execution_timeout=execution_timeout, poke_interval=60)
    airflows = airflows_timeout(timedelta(seconds=seconds), execution_timeout)
    if execution_timeout is not None:
        airflows = min(airflows, timedelta(seconds=execution_timeout))
    trigger.timeout_after = datetime.now(UTC) - timedelta(seconds=90) + airflows

    (event,) = await events(trigger)

    assert event.payload["status"] == status


async def test_a_wait_that_started_in_the_triggerer_has_all_its_time_there(stuck):
    trigger = made(stuck, timeout=0.3)
    trigger.timeout_after = datetime.now(UTC) + airflows_timeout(timedelta(seconds=0.3), None)
    began = time.monotonic()

    (event,) = await events(trigger)

    assert event.payload["status"] == "timeout"
    assert time.monotonic() - began >= 0.25


async def test_without_a_timeout_it_waits_for_ever(stuck):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await events(made(stuck))


async def test_a_service_that_holds_the_line_does_not_hold_the_deadline(exported, sandbox, monkeypatch):
    monkeypatch.setattr(asking, "_LAST_ANSWER", 0.2)
    sandbox.set_fault("hold", endpoint="gettasks")

    async with asyncio.timeout(10):
        (event,) = await events(made(exported, started_at=datetime.now(UTC), timeout=0.3))

    assert event.payload["status"] == "timeout"


async def test_a_service_that_is_away_is_asked_until_it_is_back(exported, sandbox, monkeypatch):
    with Gate(urlsplit(sandbox.url).port, "refuse") as gate:
        through_it = sandbox.connection_json.replace(sandbox.url, f"http://127.0.0.1:{gate.port}")
        monkeypatch.setenv("AIRFLOW_CONN_CHECKNUMBER_DEFAULT", through_it)
        waiting = asyncio.create_task(events(made(exported, max_poke_interval=0.1)))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        gate.open()

        (event,) = await waiting

    assert event.payload["status"] == "exported"


async def test_a_restart_goes_on_where_the_killed_one_was(exported, sandbox):
    """Nothing but the arguments is kept, and a wait that was cut off has left nothing behind."""
    sandbox.set_fault("task_status", status="processing", task_id=exported, times=None)
    trigger = made(exported, started_at=datetime.now(UTC), timeout=60)
    waiting = asyncio.create_task(events(trigger))
    while not sandbox.state()["calls"].get("gettasks"):  # noqa: ASYNC110 - it is in another thread
        await asyncio.sleep(0.01)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    sandbox.clear_faults()

    (event,) = await events(CheckNumberTaskTrigger(**trigger.serialize()[1]))

    assert event.payload["status"] == "exported"
    assert not channel._channels[asyncio.get_running_loop()]


async def test_many_waits_end_each_with_its_own_event(sandbox, submit):
    ids = [submit() for _ in range(20)]
    before = sandbox.state()["connections_opened"]

    ended = await asyncio.gather(*(events(made(each)) for each in ids))

    assert [event.payload["checknumber_task_id"] for (event,) in ended] == ids
    assert sandbox.state()["connections_opened"] - before <= 20
    assert not channel._channels[asyncio.get_running_loop()]


async def test_one_429_slows_every_wait_of_the_connection(sandbox, submit):
    ids = [submit() for _ in range(20)]
    sandbox.set_fault("status", endpoint="gettasks", status=429, retry_after=1)
    waits = [made(each, started_at=datetime.now(UTC), timeout=0.8, poke_interval=0.5) for each in ids]

    ended = await asyncio.gather(*(events(each) for each in waits))
    in_time = [event for (event,) in ended if event.payload["status"] == "exported"]

    assert len(in_time) < 20
    assert sandbox.state()["calls"]["gettasks"] == len(in_time) + 1


async def test_waits_that_are_due_at_about_one_time_wake_at_once():
    now = asyncio.get_running_loop().time()
    due = [now + asking._with_others(20 + each / 100) for each in range(100)]

    assert len({round(each, 3) for each in due}) <= 6
    assert all(-0.01 < late - (now + 20 + each / 100) < 0.26 for each, late in enumerate(due))
    assert asking._with_others(0.5) == 0.5


async def test_an_answer_is_logged_where_it_is_news(stuck, sandbox, capsys, caplog):
    caplog.set_level("INFO")

    await events(made(stuck, started_at=datetime.now(UTC), timeout=1, max_poke_interval=0.1))

    assert sandbox.state()["calls"]["gettasks"] > 3
    said = f"CheckNumber task {stuck} is processing"
    # Which of the two hears it depends on Airflow's version; Airflow 2 tells both.
    assert max(capsys.readouterr().out.count(said), caplog.text.count(said)) == 1


async def test_ending_a_wait_by_hand_says_that_the_services_task_goes_on(capsys, caplog):
    caplog.set_level("INFO")

    await made("d4g8").on_kill()

    logged = capsys.readouterr().out + caplog.text
    assert "Stopped waiting for CheckNumber task d4g8. The service has no way to cancel it" in logged


def test_the_triggerer_loads_nothing_large_on_its_event_loop():
    """Airflow imports the class there; clients and results are for later, and for a thread."""
    program = (
        "import sys, airflow_provider_checknumber.triggers.checknumber\n"
        "layers = ('client', 'hooks', 'results', 'warehouse')\n"
        "sys.exit(any(f'airflow_provider_checknumber.{layer}' in sys.modules for layer in layers))"
    )

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
