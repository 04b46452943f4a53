"""The sensor ends the same way in every mode. Real service, real trigger; no scheduler in between.

``test_in_airflow`` has the scheduler, and what only it can tell: states, retries and XComs.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    PokeReturnValue,
    TaskDeferred,
)

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sensors import checknumber as sensors
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor

Wait = Callable[..., Any]


def poke(checknumber_task_id: str, **arguments: Any) -> Any:
    return sensor(checknumber_task_id, deferrable=False, **arguments).execute({})


def defer(checknumber_task_id: str, **arguments: Any) -> Any:
    """Wait for a task that was not exported yet when the worker asked."""
    waiting = sensor(checknumber_task_id, deferrable=True, **arguments)
    waiting.poke = lambda context: PokeReturnValue(False)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute({})
    event = asyncio.run(first_event(deferred.value.trigger))
    resumed = sensor(checknumber_task_id, deferrable=True, **arguments)
    return resumed.resume_execution(deferred.value.method_name, {"event": event}, {})


def sensor(checknumber_task_id: str, **arguments: Any) -> CheckNumberTaskSensor:
    return CheckNumberTaskSensor(
        task_id="wait", checknumber_task_id=checknumber_task_id, **{"poke_interval": 0.05, **arguments}
    )


async def first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger has not fired")


@pytest.fixture(params=[poke, defer], ids=["poke", "deferrable"])
def wait(request: pytest.FixtureRequest) -> Wait:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def logged(capsys, caplog) -> Callable[[], str]:
    """Everything that was logged: Airflow 3 logs to standard output, Airflow 2 through ``logging``."""
    caplog.set_level("INFO")
    printed: list[str] = []

    def logged() -> str:
        printed.append(capsys.readouterr().out)
        return caplog.text or "".join(printed)

    return logged


def test_the_exported_tasks_id_is_returned(wait, exported):
    assert wait(exported) == exported


def test_a_failed_task_fails_at_once_and_says_which(wait, failed, sandbox):
    with pytest.raises(AirflowFailException, match=f"CheckNumber task {failed} has failed at the service"):
        wait(failed)

    assert sandbox.state()["calls"]["gettasks"] == 1


def test_progress_is_logged_as_counts_and_percent(wait, sandbox, exported, logged):
    sandbox.set_fault("task_status", status="processing", task_id=exported)

    wait(exported)

    assert f"CheckNumber task {exported} is processing: 3 of 3 numbers (100.0%)" in logged()
    assert f"CheckNumber task {exported} is exported" in logged()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503, "body": "html"},
        {"kind": "status", "status": 429, "retry_after": 0},
        {"kind": "drop"},
        {"kind": "drop", "reset": True},
        {"kind": "unreadable", "body": "html"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_passing_faults_are_waited_out(wait, sandbox, exported, fault, logged):
    sandbox.set_fault(endpoint="gettasks", times=3, **fault)

    assert wait(exported) == exported

    assert logged().count("Waiting goes on.") == 3


def test_an_unknown_status_is_waited_out(wait, sandbox, exported):
    sandbox.set_fault("task_status", status="on its way", task_id=exported, times=3)

    assert wait(exported) == exported


def test_a_service_that_is_away_is_waited_for_until_the_timeout(wait, exported, monkeypatch):
    with Sandbox() as gone:
        environment = gone.environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(AirflowSensorTimeout):
        wait(exported, timeout=0.3)


def test_an_unknown_task_ends_the_wait_and_is_named(wait, sandbox):
    with pytest.raises(AirflowFailException, match="knows no task 'never-made'"):
        wait("never-made")


def test_a_refused_key_ends_the_wait_and_is_named(wait, sandbox, exported):
    sandbox.set_fault("status", endpoint="gettasks", status=401)

    with pytest.raises(AirflowFailException, match="refused the API key"):
        wait(exported)


def test_a_host_that_is_not_the_service_ends_the_wait(wait, sandbox, exported):
    sandbox.set_fault("unreadable", endpoint="gettasks", times=None)

    with pytest.raises(AirflowFailException, match="answer cannot be read"):
        wait(exported, timeout=30)


def test_a_missing_connection_ends_the_wait_and_is_named(wait, exported):
    with pytest.raises(AirflowFailException, match="no_such_connection"):
        wait(exported, checknumber_conn_id="no_such_connection")


def test_an_unusable_connection_ends_the_wait_and_is_named(wait, exported, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KEYLESS", '{"conn_type": "checknumber"}')

    with pytest.raises(AirflowFailException, match="'keyless': The connection has no API key"):
        wait(exported, checknumber_conn_id="keyless")


def test_an_empty_id_ends_the_wait(wait, sandbox):
    with pytest.raises(AirflowFailException, match="task id is empty"):
        wait("")


def test_a_timeout_ends_the_wait_for_good(wait, stuck):
    with pytest.raises(AirflowSensorTimeout):
        wait(stuck, timeout=0.2)


def test_the_last_question_is_asked_when_the_timeout_has_passed(wait, stuck, sandbox):
    # Long enough for the first question on a busy machine.
    with pytest.raises(AirflowSensorTimeout):
        wait(stuck, timeout=3, poke_interval=3600)

    assert sandbox.state()["calls"]["gettasks"] == 2


def test_a_service_that_asks_to_wait_for_an_hour_does_not_prolong_the_wait(wait, exported, sandbox):
    sandbox.set_fault("status", endpoint="gettasks", status=429, retry_after=3600, times=None)

    with pytest.raises(AirflowSensorTimeout):
        wait(exported, timeout=0.3)


@pytest.mark.parametrize("arguments", [{"soft_fail": True}, {"never_fail": True}], ids=str)
def test_a_failed_task_skips_where_asked_to(wait, failed, arguments):
    with pytest.raises(AirflowSkipException):
        wait(failed, **arguments)


def test_a_timeout_skips_with_soft_fail(wait, stuck):
    with pytest.raises(AirflowSkipException):
        wait(stuck, timeout=0.1, soft_fail=True)


def test_a_timeout_fails_with_never_fail(wait, stuck):
    """Airflow looks at ``never_fail`` when a question failed, not when the time is over."""
    with pytest.raises(AirflowSensorTimeout):
        wait(stuck, timeout=0.1, never_fail=True)


class TestAnErrorThatNobodyHasForeseen:
    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        """The answer to the first question makes the client raise what it never should."""
        from airflow_provider_checknumber.client import protocol

        read_task, calls = protocol.read_task, []

        def read(*arguments: Any, **keywords: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise ZeroDivisionError
            return read_task(*arguments, **keywords)

        monkeypatch.setattr(protocol, "read_task", read)

    @pytest.mark.parametrize("soft_fail", [False, True])
    def test_is_left_to_airflows_retries(self, wait, exported, soft_fail):
        with pytest.raises(ZeroDivisionError):
            wait(exported, soft_fail=soft_fail)

    def test_is_carried_on_after_with_silent_fail(self, wait, exported):
        assert wait(exported, silent_fail=True) == exported


@pytest.mark.parametrize("reason", ["Trigger timeout", "Trigger/execution timeout"])
class TestWhenNoTriggererWasAlive:
    """Airflow 3's and Airflow 2's words for a deferral whose deadline has passed."""

    @staticmethod
    def resume(reason: str, **arguments: Any) -> Any:
        waiting = sensor("d4g8", deferrable=True, **arguments)
        return waiting.resume_execution("__fail__", {"error": reason}, {})

    def test_a_timeout_is_one(self, reason):
        with pytest.raises(AirflowSensorTimeout, match="no triggerer was there"):
            self.resume(reason, timeout=60)

    def test_a_timeout_skips_with_soft_fail(self, reason):
        with pytest.raises(AirflowSkipException):
            self.resume(reason, timeout=60, soft_fail=True)

    def test_an_execution_timeout_is_one(self, reason):
        with pytest.raises(AirflowTaskTimeout):
            self.resume(reason, timeout=60, execution_timeout=timedelta(seconds=5))


def test_a_trigger_that_broke_skips_with_never_fail_alone():
    broken = {"error": "Trigger failure", "traceback": ["ZeroDivisionError\n"]}

    with pytest.raises(AirflowSkipException):
        sensor("d4g8", never_fail=True).resume_execution("__fail__", broken, {})
    with pytest.raises(Exception, match="Trigger failure") as caught:
        sensor("d4g8", soft_fail=True).resume_execution("__fail__", broken, {})
    assert not isinstance(caught.value, AirflowSkipException)


@pytest.mark.parametrize(
    "event", [None, "exported", {}, {"status": "exported", "checknumber_task_id": "other"}]
)
def test_an_event_about_something_else_is_not_believed(event):
    with pytest.raises(Exception, match="not about this task"):
        sensor("d4g8").resume_execution("execute_complete", {"event": event}, {})


class TestBeforeItDefers:
    """The worker asks once: a task that is over already is not worth a trigger."""

    def test_an_exported_task_is_not_waited_for(self, exported):
        assert sensor(exported, deferrable=True).execute({}) == exported

    @pytest.mark.parametrize(
        ("arguments", "ending"), [({}, AirflowFailException), ({"soft_fail": True}, AirflowSkipException)]
    )
    def test_a_failed_task_ends_the_wait(self, failed, arguments, ending):
        with pytest.raises(ending, match="has failed at the service"):
            sensor(failed, deferrable=True, **arguments).execute({})

    def test_an_unknown_task_ends_the_wait(self, sandbox):
        with pytest.raises(AirflowFailException, match="knows no task 'never-made'"):
            sensor("never-made", deferrable=True).execute({})

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_passing_fault_is_left_to_the_trigger(self, exported, sandbox, status):
        sandbox.set_fault("status", endpoint="gettasks", status=status)

        with pytest.raises(TaskDeferred):
            sensor(exported, deferrable=True).execute({})


def test_the_execution_timeout_ends_a_deferred_wait_as_airflow_ends_a_running_task(stuck):
    with pytest.raises(AirflowTaskTimeout):
        defer(stuck, execution_timeout=timedelta(seconds=0.2))


def test_airflow_has_a_deadline_of_its_own_in_case_no_triggerer_is_alive(stuck):
    def airflows(**arguments: Any) -> timedelta:
        with pytest.raises(TaskDeferred) as deferred:
            sensor(stuck, deferrable=True, **arguments).execute({})
        return deferred.value.timeout  # type: ignore[return-value]

    assert timedelta(seconds=60) < airflows(timeout=60) < timedelta(seconds=600)
    assert airflows(timeout=3600, execution_timeout=timedelta(seconds=60)) < timedelta(seconds=600)


class TestBeforeAirflow33:
    """A sensor that was to do without a worker defers, and says so once."""

    WITHOUT_WORKER: ClassVar = {"start_from_trigger": True, "end_from_trigger": True}

    @pytest.fixture(autouse=True)
    def old(self, monkeypatch):
        monkeypatch.setattr(sensors, "STARTS_FROM_TRIGGER", False)

    def test_one_warning_says_that_a_worker_starts_and_ends_it(self):
        with pytest.warns(UserWarning, match="a worker starts and ends the sensor 'wait'") as warned:
            waiting = sensor("d4g8", **self.WITHOUT_WORKER)

        assert len(warned) == 1
        assert (waiting.deferrable, waiting.start_from_trigger, waiting.end_from_trigger) == (
            True,
            False,
            False,
        )

    @pytest.mark.parametrize("argument", WITHOUT_WORKER)
    def test_it_waits_as_a_deferrable_one(self, exported, argument):
        with pytest.warns(UserWarning, match="need Airflow 3.3"):
            assert defer(exported, **{argument: True}) == exported

    def test_mapped_ones_are_warned_of_when_the_dag_is_read_and_no_more(self):
        with DAG("mapped"), pytest.warns(UserWarning, match="need Airflow 3.3") as warned:
            mapped = CheckNumberTaskSensor.partial(task_id="wait", **self.WITHOUT_WORKER).expand(
                checknumber_task_id=["d4g8"]
            )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            waiting = CheckNumberTaskSensor(
                **mapped.partial_kwargs, task_id="wait", checknumber_task_id="d4g8"
            )

        assert len(warned) == 1
        assert (waiting.deferrable, waiting.start_from_trigger, waiting.end_from_trigger) == (
            True,
            False,
            False,
        )
