"""The faults, and how each is brought about. No Airflow here: workers and the test both read this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.faults.billing.points import Loss, Point

if TYPE_CHECKING:
    from tests.faults.billing.stage import Stage
    from tests.faults.gate import Fault

Script = Callable[["Stage"], Iterator[None]]

LOADED, UNKNOWN = "loaded", "unknown"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """
    One fault and what is expected of it.

    :param dag_id: of its DAG.
    :param fault: for the table.
    :param expected: ``loaded`` or ``unknown``.
    :param charges: in the service's ledger at the end.
    :param kill: the point at which the worker that submits kills itself, once.
    :param lose_name: how often that worker does not resolve the service's name.
    :param lose_record: when that worker cannot use the record.
    :param faults: of the sandbox, set before the DAG starts.
    :param gate: what is in front of the sandbox until it is opened.
    :param tls: whether the sandbox speaks TLS.
    :param extra: of the Airflow connection.
    :param waiter: which task waits: the sensor ``wait``, or ``submit`` itself.
    :param deferrable: whether it waits in the triggerer.
    :param script: what happens meanwhile; every ``yield`` comes back a moment later.
    """

    dag_id: str
    fault: str
    expected: Literal["loaded", "unknown"]
    charges: int = 1
    kill: Point | None = None
    lose_name: int = 0
    lose_record: Loss | None = None
    faults: tuple[dict[str, Any], ...] = ()
    gate: Fault | None = None
    tls: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    waiter: Literal["wait", "submit"] = "wait"
    deferrable: bool = False
    script: Script | None = None


def kill_once_accepted(stage: Stage) -> Iterator[None]:
    """Kill the worker that waits for the answer to a create which the service has accepted."""
    while not stage.holding():
        yield
    stage.kill("submit")
    stage.sandbox.clear_faults()


def kill_while_waiting(task_id: str) -> Script:
    """Kill the worker that has asked for the task at least once, then let the task come to its end."""

    def script(stage: Stage) -> Iterator[None]:
        while not stage.asked():
            yield
        killed = stage.kill(task_id)
        while stage.pid(task_id) == killed:
            yield
        stage.sandbox.clear_faults()

    return script


def lose_triggerer(stage: Stage) -> Iterator[None]:
    """Let the triggerer be killed while it waits for the task, and another be started."""
    while not (stage.deferred() and stage.asked()):
        yield
    before = stage.triggerers.number
    stage.triggerers.wanted.add(stage.scenario.dag_id)
    while stage.triggerers.number == before:
        yield
    stage.sandbox.clear_faults()


def open_gate_after(words: str) -> Script:
    """Open the gate once the worker has logged that it met it."""

    def script(stage: Stage) -> Iterator[None]:
        while words not in stage.log("submit"):
            yield
        stage.open_gate()

    return script


def then_follow(instruction: Literal["its id", "resubmit"], script: Script | None = None) -> Script:
    """Run the command that the failed task's message names, as somebody on call would, and clear the task."""

    def followed(stage: Stage) -> Iterator[None]:
        if script is not None:
            yield from script(stage)
        while not stage.stopped_as_unknown():
            yield
        yield from stage.follow("resubmit" if instruction == "resubmit" else stage.accepted_task())

    return followed


def clear_once_loaded(stage: Stage) -> Iterator[None]:
    """Clear the whole DAG run once it has ended, as somebody would who wants it to run again."""
    while not stage.ended():
        yield
    yield from stage.clear()


WAIT_FOR_EVER = {"kind": "task_status", "status": "processing", "times": None}
HOLD_ANSWER = {"kind": "hold", "endpoint": "create", "when": "after"}


def _create(kind: str, **parameters: Any) -> tuple[dict[str, Any], ...]:
    return ({"kind": kind, "endpoint": "create", **parameters},)


_ALL = (
    # The worker is killed.
    Scenario(
        dag_id="kill_before_intent",
        fault="worker killed before the intent is on record",
        expected=LOADED,
        kill="before the intent",
    ),
    Scenario(
        dag_id="kill_before_request",
        fault="worker killed before the request",
        expected=UNKNOWN,
        charges=0,
        kill="before the request",
    ),
    Scenario(
        dag_id="kill_before_answer",
        fault="worker killed after acceptance, before the answer",
        expected=UNKNOWN,
        faults=(HOLD_ANSWER,),
        script=kill_once_accepted,
    ),
    Scenario(
        dag_id="kill_before_record",
        fault="worker killed after the answer, before the record",
        expected=UNKNOWN,
        kill="before the record",
    ),
    Scenario(
        dag_id="kill_after_record",
        fault="worker killed after the record",
        expected=LOADED,
        kill="after the record",
    ),
    Scenario(
        dag_id="kill_sensor_poking",
        fault="worker killed while waiting, sensor, poke",
        expected=LOADED,
        faults=(WAIT_FOR_EVER,),
        script=kill_while_waiting("wait"),
    ),
    Scenario(
        dag_id="kill_sensor_deferred",
        fault="triggerer killed while waiting, sensor, deferrable",
        expected=LOADED,
        deferrable=True,
        faults=(WAIT_FOR_EVER,),
        script=lose_triggerer,
    ),
    Scenario(
        dag_id="kill_submit_poking",
        fault="worker killed while waiting, submit, poke",
        expected=LOADED,
        waiter="submit",
        faults=(WAIT_FOR_EVER,),
        script=kill_while_waiting("submit"),
    ),
    Scenario(
        dag_id="kill_submit_deferred",
        fault="triggerer killed while waiting, submit, deferrable",
        expected=LOADED,
        waiter="submit",
        deferrable=True,
        faults=(WAIT_FOR_EVER,),
        script=lose_triggerer,
    ),
    Scenario(
        dag_id="kill_submit_resuming",
        fault="worker killed on resuming, submit, deferrable",
        expected=LOADED,
        waiter="submit",
        deferrable=True,
        kill="on resuming",
    ),
    # Certainly not accepted: repeated without anybody's help.
    Scenario(
        dag_id="net_refused",
        fault="connection refused",
        expected=LOADED,
        gate="refuse",
        script=open_gate_after("it refused the connection"),
    ),
    Scenario(dag_id="net_no_name", fault="name not resolved", expected=LOADED, lose_name=2),
    Scenario(
        dag_id="net_tls",
        fault="TLS failure",
        expected=LOADED,
        gate="untrusted",
        tls=True,
        script=open_gate_after("its TLS certificate could not be verified"),
    ),
    Scenario(
        dag_id="net_connect_timeout",
        fault="connect timeout",
        expected=LOADED,
        gate="ignore",
        script=open_gate_after("it did not answer in time"),
    ),
    Scenario(
        dag_id="net_429",
        fault="429 with Retry-After, twice",
        expected=LOADED,
        faults=_create("status", status=429, retry_after=2, times=2),
    ),
    Scenario(
        dag_id="net_500", fault="500, twice", expected=LOADED, faults=_create("status", status=500, times=2)
    ),
    Scenario(
        dag_id="net_500_lasting",
        fault="500, longer than one try lasts",
        expected=LOADED,
        faults=_create("status", status=500, times=6),
    ),
    # Ambiguous: a person has to look.
    Scenario(
        dag_id="net_read_timeout",
        fault="read timeout, accepted",
        expected=UNKNOWN,
        extra={"submit_timeout": 2},
        faults=_create("delay", seconds=20),
    ),
    Scenario(
        dag_id="net_read_timeout_lost",
        fault="read timeout, not accepted",
        expected=UNKNOWN,
        charges=0,
        extra={"submit_timeout": 2},
        faults=_create("delay", seconds=20, when="after_body") + _create("drop", when="after_body"),
    ),
    Scenario(
        dag_id="net_reset",
        fault="reset after the body was sent, accepted",
        expected=UNKNOWN,
        faults=_create("drop", reset=True),
    ),
    Scenario(
        dag_id="net_reset_lost",
        fault="reset after the body was sent, not accepted",
        expected=UNKNOWN,
        charges=0,
        faults=_create("drop", when="after_body", reset=True),
    ),
    Scenario(
        dag_id="net_cut",
        fault="reset while the body was sent",
        expected=UNKNOWN,
        charges=0,
        gate="cut",
    ),
    Scenario(
        dag_id="net_closed",
        fault="closed without an answer, accepted",
        expected=UNKNOWN,
        faults=_create("drop"),
    ),
    *(
        Scenario(
            dag_id=f"net_{status}_{when}",
            fault=f"{status}, {'accepted' if when == 'after' else 'not accepted'}",
            expected=UNKNOWN,
            charges=int(when == "after"),
            faults=_create("status", status=status, body="html", when=when),
        )
        for status in (502, 503, 504)
        for when in ("after", "before")
    ),
    *(
        Scenario(
            dag_id=f"net_unreadable_{body}",
            fault=f"200 that cannot be read: {body}",
            expected=UNKNOWN,
            faults=_create("unreadable", body=body),
        )
        for body in ("html", "empty", "truncated")
    ),
    # The record cannot be used.
    Scenario(
        dag_id="record_reading",
        fault="record out of reach when the retry looks",
        expected=LOADED,
        kill="after the record",
        lose_record="reading",
    ),
    Scenario(
        dag_id="record_intending",
        fault="record out of reach before the request",
        expected=LOADED,
        lose_record="intending",
    ),
    Scenario(
        dag_id="record_settling",
        fault="record out of reach after the answer",
        expected=LOADED,
        lose_record="settling",
    ),
    # What a person does.
    Scenario(
        dag_id="clear_same",
        fault="cleared after it had ended, same list",
        expected=LOADED,
        script=clear_once_loaded,
    ),
    Scenario(
        dag_id="follow_id",
        fault="killed before the answer, then the id given and cleared",
        expected=LOADED,
        faults=(HOLD_ANSWER,),
        script=then_follow("its id", kill_once_accepted),
    ),
    Scenario(
        dag_id="follow_resubmit",
        fault="killed before the request, then resubmit allowed and cleared",
        expected=LOADED,
        kill="before the request",
        script=then_follow("resubmit"),
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.dag_id: scenario for scenario in _ALL}
