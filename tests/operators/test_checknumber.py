"""The submit operator in real Airflow: what a DAG author gets, and what a retry costs.

Every case is a DAG with a sandbox of its own. One process of Airflow runs all of them, once, by ``dag.test()``;
the tests look at what they left behind. Kills, clears and restarts are in ``tests/faults``.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sandbox import Sandbox
from tests.support.airflow_home import airflow_home

LIST = "+12025550100\n+12025550101\n+12025550101\n+12025550102\n"
REVERSED = "+12025550102\n+12025550101\n+12025550100\n"
OTHER = "+12025550100\n+12025550101\n+12025550102\n+12025550103\n"


@dataclass
class Case:
    """A DAG with one task that submits ``numbers``."""

    arguments: dict[str, Any] = field(default_factory=dict)
    numbers: str = LIST
    dies: bool = False
    mapped: bool = False
    faults: list[dict[str, Any]] = field(default_factory=list)
    sandbox: dict[str, Any] = field(default_factory=dict)


def create(kind: str, **parameters: Any) -> list[dict[str, Any]]:
    return [{"kind": kind, "endpoint": "create", **parameters}]


WAITING = {"wait_for_completion": True, "deferrable": False}
DEFERRED = {"wait_for_completion": True, "deferrable": True}
FAILED = [{"kind": "task_status", "status": "failed"}]
STUCK = [{"kind": "task_status", "status": "processing", "times": None}]
PENDING = [{"kind": "task_status", "status": "pending"}]

CASES = {
    "submitted": Case(),
    "retried": Case(dies=True),
    "retried_in_another_order": Case({"list_then": REVERSED}, dies=True),
    "retried_with_another_list": Case({"list_then": OTHER}, dies=True),
    "retried_after_the_task_failed": Case(dies=True, faults=FAILED),
    "told_to_resubmit": Case({"instruction": " Resubmit\n"}, dies=True),
    "told_of_an_unknown_task": Case({"instruction": "<d4g8o46p2jvh04o9uolg>"}, dies=True),
    "mapped": Case(mapped=True),
    "unknown": Case(faults=create("drop")),
    "unknown_and_accepted_to_pay_twice": Case({"on_unknown": "resubmit"}, faults=create("drop")),
    "too_many": Case({"max_numbers": 2}),
    "just_enough": Case({"max_numbers": 3}),
    "not_numbers": Case(numbers="+12025550100\n12025550101 is none\n\n+0202\n"),
    "no_balance": Case(sandbox={"balance": 0.0}),
    "too_small_a_batch": Case(sandbox={"min_batch": 500}),
    "asked_to_come_back": Case(faults=create("status", status=429, retry_after=3600)),
    "waited": Case(WAITING, faults=PENDING),
    "waited_deferred": Case(DEFERRED, faults=PENDING),
    "waited_and_retried": Case(WAITING, dies=True),
    "waited_and_failed": Case(WAITING, faults=FAILED),
    "waited_deferred_and_failed": Case(DEFERRED, faults=FAILED),
    "waited_too_long": Case({**WAITING, "timeout": 0.5}, faults=STUCK),
    "waited_deferred_too_long": Case({**DEFERRED, "timeout": 0.5}, faults=STUCK),
}


@dataclass
class Left:
    """What a case left behind."""

    state: str
    tries: int
    xcoms: dict[str, Any]
    log: str
    service: dict[str, Any]

    @property
    def charges(self) -> int:
        return len(self.service["charges"])

    @property
    def task_ids(self) -> list[str]:
        return [task["task_id"] for task in self.service["tasks"]]


@pytest.fixture(scope="module")
def airflow_run(
    airflow_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("operators")
    with ExitStack() as stack:
        sandboxes, described = {}, {}
        for name, case in CASES.items():
            settings = {"speed": float("inf"), "queue_seconds": 0, **case.sandbox}
            sandboxes[name] = stack.enter_context(Sandbox(**settings))
            for fault in case.faults:
                sandboxes[name].set_fault(**fault)
            numbers = folder / f"{name}.txt"
            numbers.write_text(case.numbers)
            described[name] = {
                "arguments": case.arguments,
                "dies": case.dies,
                "mapped": case.mapped,
                "number_file": str(numbers),
            }
        airflow = airflow_home(
            folder / "airflow",
            database=airflow_database,
            connections={name: sandbox.connection_json for name, sandbox in sandboxes.items()},
            settings={"CHECKNUMBER_CASES": json.dumps(described)},
        )
        file = shutil.copy(Path(__file__).with_name("dags.py"), folder / "airflow" / "dags")
        ended = subprocess.run(
            [airflow.python, file],
            env=airflow.environment(),
            cwd=airflow.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert ended.stdout.rstrip().endswith("=== end"), ended.stdout[-5000:]
        services = {name: sandbox.state() for name, sandbox in sandboxes.items()}
    return airflow.home / "airflow.db", ended.stdout, services


@pytest.fixture
def left(airflow_run: tuple[Path, str, dict[str, Any]]) -> Callable[[str], Left]:
    """Tells what a case has left behind."""
    database, output, services = airflow_run

    def look(name: str) -> Left:
        with closing(sqlite3.connect(database)) as connection:
            (state,) = connection.execute("SELECT state FROM dag_run WHERE dag_id = ?", [name]).fetchone()
            (tries,) = connection.execute(
                "SELECT max(try_number) FROM task_instance WHERE dag_id = ?", [name]
            ).fetchone()
            xcoms = connection.execute(
                "SELECT key, map_index, value FROM xcom WHERE dag_id = ?", [name]
            ).fetchall()
        (log,) = re.findall(rf"^=== {name}$(.*?)^===", output, re.M | re.S)
        return Left(
            state=state,
            tries=tries,
            xcoms={key if index < 0 else (key, index): _read_xcom(value) for key, index, value in xcoms},
            log=" ".join(log.split()),  # Airflow 3.0 wraps it.
            service=services[name],
        )

    return look


def _read_xcom(value: Any) -> Any:
    value = json.loads(value)
    return json.loads(value) if isinstance(value, str) and value[:1] in '{"' else value


def test_the_services_task_id_is_returned_and_the_counts_are_told(left):
    submitted = left("submitted")

    assert (submitted.state, submitted.tries, submitted.charges) == ("success", 1, 1)
    assert submitted.xcoms["return_value"] == submitted.task_ids[0]
    assert submitted.xcoms["counts"] == {"numbers": 3, "duplicates": 1, "invalid": 0}


@pytest.mark.parametrize("name", ["retried", "retried_in_another_order", "waited_and_retried"])
def test_a_retry_returns_the_same_id_and_pays_nothing(left, name):
    retried = left(name)

    assert (retried.state, retried.tries, retried.charges) == ("success", 2, 1)
    assert retried.xcoms["return_value"] == retried.task_ids[0]
    assert "nothing was sent, nothing is billed" in retried.log


@pytest.mark.parametrize(
    "name", ["retried_with_another_list", "retried_after_the_task_failed", "told_to_resubmit"]
)
def test_a_retry_submits_where_there_is_a_reason_to(left, name):
    retried = left(name)

    assert (retried.state, retried.tries, retried.charges) == ("success", 2, 2)
    assert retried.xcoms["return_value"] == retried.task_ids[1]


def test_an_id_given_by_a_person_is_looked_up_before_it_is_believed(left):
    told = left("told_of_an_unknown_task")

    assert (told.state, told.tries, told.charges) == ("failed", 2, 1)
    assert "knows no task 'd4g8o46p2jvh04o9uolg'" in told.log


def test_mapped_tasks_are_remembered_one_by_one(left):
    mapped = left("mapped")

    assert (mapped.state, mapped.charges) == ("success", 2)
    assert {mapped.xcoms["return_value", index] for index in (0, 1)} == set(mapped.task_ids)


def test_an_unknown_outcome_fails_without_a_retry_and_names_the_commands(left):
    unknown = left("unknown")

    assert (unknown.state, unknown.tries, unknown.charges) == ("failed", 1, 1)
    assert "It is unknown whether 3 numbers for 'Twitter'" in unknown.log
    assert re.search(
        r"It is not there: airflow variables set checknumber_submission_[0-9a-f]{16} resubmit", unknown.log
    )


def test_an_unknown_outcome_is_retried_where_the_dag_author_accepts_to_pay_twice(left):
    twice = left("unknown_and_accepted_to_pay_twice")

    assert (twice.state, twice.tries, twice.charges) == ("success", 2, 2)
    assert twice.xcoms["return_value"] == twice.task_ids[1]


def test_a_list_above_max_numbers_is_refused_before_anything_is_sent(left):
    refused = left("too_many")

    assert (refused.state, refused.tries, refused.service["calls"]) == ("failed", 1, {})
    assert "holds 3 numbers, more than max_numbers=2" in refused.log
    assert left("just_enough").state == "success"


def test_lines_that_are_no_numbers_are_named_before_anything_is_sent(left):
    refused = left("not_numbers")

    assert (refused.state, refused.tries, refused.service["calls"]) == ("failed", 1, {})
    assert "2 of 3 lines are not E.164 numbers (line 2, 4)" in refused.log


@pytest.mark.parametrize(
    ("name", "words"),
    [("no_balance", "does not cover these numbers"), ("too_small_a_batch", "takes lists of another size")],
)
def test_a_lasting_refusal_fails_without_a_retry(left, name, words):
    refused = left(name)

    assert (refused.state, refused.tries, refused.charges) == ("failed", 1, 0)
    assert words in refused.log


def test_a_service_that_asks_to_come_back_in_an_hour_is_left_to_airflows_retry(left):
    asked = left("asked_to_come_back")

    assert (asked.state, asked.tries, asked.charges) == ("success", 2, 1)


@pytest.mark.parametrize("name", ["waited", "waited_deferred"])
def test_the_task_can_wait_for_the_result(left, name):
    waited = left(name)

    assert (waited.state, waited.tries, waited.charges) == ("success", 1, 1)
    assert waited.xcoms["return_value"] == waited.task_ids[0]
    assert "is pending" in waited.log
    assert "is exported" in waited.log


@pytest.mark.parametrize("name", ["waited_and_failed", "waited_deferred_and_failed"])
def test_a_task_that_fails_at_the_service_fails_without_a_retry(left, name):
    failed = left(name)

    assert (failed.state, failed.tries, failed.charges) == ("failed", 1, 1)
    assert "has failed at the service" in failed.log


@pytest.mark.parametrize("name", ["waited_too_long", "waited_deferred_too_long"])
def test_a_wait_that_lasts_too_long_fails_without_a_retry(left, name):
    late = left(name)

    assert (late.state, late.tries, late.charges) == ("failed", 1, 1)
    assert "was not exported in time" in late.log


@pytest.mark.parametrize("name", CASES)
def test_no_number_and_no_key_is_logged(left, name):
    assert "2025550" not in left(name).log
    assert "password" not in left(name).log


def test_a_policy_that_does_not_exist_is_refused_when_the_dag_is_read():
    with pytest.raises(ValueError, match="use 'fail' or 'resubmit'"):
        CheckNumberSubmitOperator(task_id="submit", number_file="x", task_type="htx", on_unknown="again")
