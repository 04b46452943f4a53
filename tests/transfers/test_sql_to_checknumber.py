"""Numbers from a query to the service, as a DAG author has it: paid for once, and only those without an answer."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_checknumber.client import CheckNumberTransientError, TaskStatus
from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.transfers.sql_to_checknumber import SqlToCheckNumberOperator
from tests.support.postgres import Postgres, postgres_server
from tests.support.task_instance import TaskInstance
from tests.warehouse import databases
from tests.warehouse.databases import CONN_ID, Warehouse, airflow_connection
from tests.warehouse.loads import load_rows

pytestmark = pytest.mark.usefixtures("airflow_db")

NOW = datetime.now(UTC)
MONTH = timedelta(days=30)


@pytest.fixture(scope="module", name="postgres_server")
def _postgres_server() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A database with four customers, one of them twice."""
    opened = (
        databases.sqlite(tmp_path)
        if request.param == "sqlite"
        else databases.postgres(request.getfixturevalue("postgres_server"))
    )
    with opened as warehouse:
        warehouse.run('CREATE TABLE "customers" ("phone" VARCHAR(30), "id" INTEGER)')
        add(warehouse, 100, 101, 102, 103, 103)
        yield warehouse


def add(warehouse: Warehouse, *numbers: int) -> None:
    rows = ", ".join(f"('+1202555{number:04}', {number})" for number in numbers)
    warehouse.run(f'INSERT INTO "customers" VALUES {rows}')


def operator(**arguments: Any) -> SqlToCheckNumberOperator:
    query = {"sql": 'SELECT "phone", "id" FROM "customers"', "sql_conn_id": CONN_ID, "task_type": "Twitter"}
    return SqlToCheckNumberOperator(**{"task_id": "submit"} | query | arguments)


def submit(task: TaskInstance | None = None, **arguments: Any) -> str:
    return operator(**arguments).execute((task or TaskInstance()).context)


def submit_new(task: TaskInstance | None = None, **arguments: Any) -> str:
    """Submit what is not answered in the table ``checks``."""
    return submit(task, **{"results_table": "checks", "skip_checked_within": MONTH} | arguments)


def answer(warehouse: Warehouse, *numbers: int, **arguments: Any) -> None:
    rows = [(f"+1202555{number:04}", True) for number in numbers]
    load_rows(warehouse, rows, **{"at": NOW} | arguments)


def charged(sandbox: Sandbox) -> list[int]:
    """How many numbers each submission was billed for, in their order."""
    return [charge["numbers"] for charge in sandbox.state()["charges"]]


class TestTheQuery:
    def test_yields_the_numbers_that_are_submitted(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        task = TaskInstance()

        assert submit(task) == sandbox.state()["charges"][0]["task_id"]
        assert charged(sandbox) == [4]
        assert task.xcoms["counts"] == {"numbers": 4, "duplicates": 1, "invalid": 0, "already_answered": 0}

    def test_takes_parameters(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        mark = warehouse.hook.placeholder
        submit(sql=f'SELECT "phone" FROM "customers" WHERE "id" > {mark}', parameters=[101])

        assert charged(sandbox) == [2]

    def test_may_yield_national_writing(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        submit(sql="SELECT '0532 123 45 67' UNION ALL SELECT '+905321234567'", default_region="TR")

        assert charged(sandbox) == [1]

    def test_that_yields_nothing_skips_the_task(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        for sql in ('SELECT "phone" FROM "customers" WHERE 1 = 0', "SELECT NULL"):
            with pytest.raises(AirflowSkipException):
                submit(sql=sql)
        assert charged(sandbox) == []

    def test_that_yields_no_numbers_fails_and_shows_none(
        self, sandbox: Sandbox, warehouse: Warehouse
    ) -> None:
        with pytest.raises(AirflowFailException, match=r"line 1") as caught:
            submit(sql="SELECT 'Ayşe 1202555' || '0100'")
        assert "12025550100" not in "".join(traceback.format_exception(caught.value))
        with pytest.raises(AirflowFailException, match="none of its 1 lines"):
            submit(sql="SELECT 'n/a'", on_invalid="skip")

    def test_that_cannot_be_run_is_not_retried(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        with pytest.raises(AirflowFailException, match="cannot run the query"):
            submit(sql='SELECT "phone" FROM "custmers"')

    def test_of_rejects_leaves_them_in_a_file(
        self, sandbox: Sandbox, warehouse: Warehouse, tmp_path: Path
    ) -> None:
        rejects = tmp_path / "rejects.csv"
        submit(
            sql="SELECT '+12025550100' UNION ALL SELECT 'n/a'", on_invalid="skip", rejects_file=str(rejects)
        )

        assert "not an E.164 number,n/a" in rejects.read_text()

    def test_of_more_than_max_numbers_is_refused(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        with pytest.raises(AirflowFailException, match="4 numbers, more than max_numbers=3"):
            submit(max_numbers=3)
        assert charged(sandbox) == []


class TestWhatIsAnswered:
    def test_is_left_out_and_counted(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        answer(warehouse, 100, 102)
        task = TaskInstance()
        submit_new(task)

        assert charged(sandbox) == [2]
        assert task.xcoms["counts"] == {"numbers": 2, "duplicates": 1, "invalid": 0, "already_answered": 2}

    def test_is_left_out_though_it_was_not_determined(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        load_rows(warehouse, [("+12025550100", None)], at=NOW)
        submit_new()

        assert charged(sandbox) == [3]

    def test_too_long_ago_or_about_something_else_is_asked_again(
        self, sandbox: Sandbox, warehouse: Warehouse
    ) -> None:
        answer(warehouse, 100, at=NOW - MONTH - timedelta(hours=1), task="old")
        answer(warehouse, 101, at=NOW - MONTH + timedelta(hours=1), task="young")
        answer(warehouse, 102, task_type="htx", task="other")
        submit_new()

        assert charged(sandbox) == [3]

    def test_is_known_after_national_writing_became_e164(
        self, sandbox: Sandbox, warehouse: Warehouse
    ) -> None:
        load_rows(warehouse, [("+905321234567", True)], at=NOW)
        with pytest.raises(AirflowSkipException, match="Every number is answered"):
            submit_new(sql="SELECT '0532 123 45 67'", default_region="TR")

    def test_for_all_numbers_skips_the_task(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        answer(warehouse, 100, 101, 102, 103)
        task = TaskInstance()
        with pytest.raises(AirflowSkipException):
            submit_new(task)

        assert charged(sandbox) == []
        assert task.xcoms["counts"]["already_answered"] == 4

    def test_in_a_table_that_is_not_there_yet_is_nothing(
        self, sandbox: Sandbox, warehouse: Warehouse
    ) -> None:
        submit_new()

        assert charged(sandbox) == [4]

    def test_in_another_database_is_left_out_too(
        self, sandbox: Sandbox, warehouse: Warehouse, tmp_path: Path
    ) -> None:
        answer(warehouse, 100)
        connection = f'{{"conn_type": "sqlite", "host": "{tmp_path / "other.db"}"}}'
        with airflow_connection(connection, conn_id="other"):
            submit_new(
                sql="SELECT '+12025550100' UNION ALL SELECT '+12025550199'",
                sql_conn_id="other",
                results_conn_id=CONN_ID,
            )

        assert charged(sandbox) == [1]

    def test_needs_both_arguments(self) -> None:
        for arguments in ({"results_table": "checks"}, {"skip_checked_within": MONTH}):
            with pytest.raises(ValueError, match="give both"):
                operator(**arguments)


class TestARetry:
    @pytest.fixture
    def task(self) -> TaskInstance:
        return TaskInstance()

    def test_returns_the_id_on_record_whatever_was_loaded_or_added_since(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        submitted = submit_new(task)
        answer(warehouse, 100, 101)  # By another run.
        add(warehouse, 104)

        assert submit_new(task) == submitted
        assert charged(sandbox) == [4]

    def test_returns_the_id_on_record_though_nothing_would_be_left(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        submitted = submit_new(task)
        answer(warehouse, 100, 101, 102, 103)

        assert submit_new(task) == submitted

    def test_does_not_run_the_query_again(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        submitted = submit_new(task)
        warehouse.run('DROP TABLE "customers"')

        assert submit_new(task) == submitted

    def test_tells_the_counts_of_the_first_try(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        answer(warehouse, 100)
        submit_new(task)
        told = task.xcoms.pop("counts")  # As Airflow does on a retry.
        submit_new(task)

        assert (
            task.xcoms["counts"]
            == told
            == {"numbers": 3, "duplicates": 1, "invalid": 0, "already_answered": 1}
        )

    def test_of_what_was_certainly_not_accepted_asks_the_tables_anew(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        sandbox.set_fault("status", endpoint="create", status=429, retry_after=3600)
        with pytest.raises(CheckNumberTransientError):
            submit_new(task)
        answer(warehouse, 100)
        submit_new(task)

        assert charged(sandbox) == [3]

    def test_of_what_may_have_been_accepted_stops_before_the_query(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        sandbox.set_fault("drop", endpoint="create")
        with pytest.raises(AirflowFailException, match="4 numbers for 'Twitter'"):
            submit_new(task)
        warehouse.run('DROP TABLE "customers"')
        with pytest.raises(AirflowFailException, match="It is unknown whether 4 numbers for 'Twitter'"):
            submit_new(task)

        assert charged(sandbox) == [4]

    def test_submits_what_another_query_yields(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        first = submit(task)
        sql = 'SELECT "phone" FROM "customers" WHERE "id" = 100'

        assert submit(task, sql=sql) != first
        assert submit(task, sql=sql, task_type="htx") not in (first, submit(task, sql=sql))
        assert submit(task) == first
        assert charged(sandbox) == [4, 1, 1]

    def test_submits_anew_what_the_service_failed_to_do(
        self, sandbox: Sandbox, warehouse: Warehouse, task: TaskInstance
    ) -> None:
        first = submit_new(task)
        sandbox.set_fault("task_status", status=TaskStatus.FAILED.value, task_id=first)
        answer(warehouse, 100)

        assert submit_new(task) != first
        assert charged(sandbox) == [4, 3]

    def test_is_none_of_another_runs_business(self, sandbox: Sandbox, warehouse: Warehouse) -> None:
        submit(TaskInstance("monday"))
        submit(TaskInstance("tuesday"))

        assert charged(sandbox) == [4, 4]


def test_no_number_is_logged(
    sandbox: Sandbox, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    answer(warehouse, 100)
    submit_new()
    log = capfd.readouterr().out

    assert "1 of 4 numbers are answered in checks" in log
    assert "1202555" not in log


def test_a_connection_that_is_no_database_is_refused(sandbox: Sandbox) -> None:
    with (
        airflow_connection('{"conn_type": "checknumber", "password": "x"}'),
        pytest.raises(AirflowFailException, match="is not a database's"),
    ):
        submit()


@pytest.mark.parametrize("arguments", [{"on_invalid": "drop"}, {"on_unknown": "guess"}])
def test_a_choice_that_is_none_is_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"use 'fail'"):
        operator(**arguments)
