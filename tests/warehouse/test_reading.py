"""Numbers out of every database that results are loaded into: a query's, and those that a table answers."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_checknumber.warehouse import (
    QueryError,
    TableError,
    WarehouseRefusedError,
    answered_since,
    open_query,
)
from tests.warehouse.databases import Warehouse
from tests.warehouse.loads import CHECKED_AT, answers, load_rows

NOW = CHECKED_AT


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Warehouse:
    """Each database whose moments are as exact as those that are asked for."""
    if warehouse.name == "generic-mariadb":
        pytest.skip("The DATETIME that plain SQL makes there holds whole seconds.")
    return warehouse


def put(warehouse: Warehouse, *numbers: str, **arguments: Any) -> None:
    load_rows(warehouse, [(number, True) for number in numbers], **arguments)


def answered(warehouse: Warehouse, **arguments: Any) -> list[str]:
    wanted = {"table": "checks", "task_type": "Twitter", "since": NOW} | arguments
    return sorted(row[0] for rows in answered_since(warehouse.hook, **wanted) for row in rows)


class TestAnswered:
    def test_are_the_numbers_of_this_task_type_that_are_young_enough(self, warehouse: Warehouse) -> None:
        put(warehouse, "+12025550100", "+12025550101")
        old = NOW - timedelta(milliseconds=1)
        put(warehouse, "+12025550102", task="b", at=old)
        put(warehouse, "+12025550103", task="c", task_type="htx")

        assert answered(warehouse) == ["+12025550100", "+12025550101"]
        assert len(answered(warehouse, since=old)) == 3
        assert answered(warehouse, task_type="htx") == ["+12025550103"]
        assert answered(warehouse, since=NOW + timedelta(days=1)) == []

    def test_are_those_too_that_the_service_could_not_determine(self, warehouse: Warehouse) -> None:
        load_rows(warehouse, [("+12025550100", None)])

        assert answered(warehouse) == ["+12025550100"]

    def test_are_none_where_there_is_no_table_yet(
        self, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            assert answered(warehouse) == []
        assert "There is no table checks yet" in caplog.text

    def test_are_found_under_the_names_that_the_load_gave_them(self, warehouse: Warehouse) -> None:
        warehouse.run('CREATE TABLE "checks" ("msisdn" VARCHAR(30), "kind" VARCHAR(30), "at" TIMESTAMP)')
        names = {"number": "msisdn", "task_type": "kind", "checked_at": "at"}
        load_rows(
            warehouse,
            [("+12025550100", True)],
            names=names,
            on_new_column="ignore",
            write_disposition="replace",
        )

        # MariaDB's TIMESTAMP holds whole seconds.
        assert answered(warehouse, columns=names, since=NOW - timedelta(seconds=1)) == ["+12025550100"]

    def test_of_a_table_without_these_columns_are_refused_by_name(self, warehouse: Warehouse) -> None:
        warehouse.run('CREATE TABLE "checks" ("number" VARCHAR(30), "task_type" VARCHAR(30))')

        with pytest.raises(TableError, match="checks has no column 'checked_at'"):
            answered(warehouse)

    def test_are_not_reached_by_a_hostile_name_or_task_type(self, warehouse: Warehouse) -> None:
        put(warehouse, "+12025550100")

        assert answered(warehouse, task_type="' OR ''='") == []
        assert answered(warehouse, table="checks WHERE 1 = 1 --") == []
        assert warehouse.count() == 1

    def test_of_many_rows_all_arrive(self, warehouse: Warehouse) -> None:
        rows = answers(40_000)
        load_rows(warehouse, rows)

        assert answered(warehouse) == sorted(number for number, _ in rows)


class TestAQuery:
    def test_gives_its_rows_and_takes_parameters(self, warehouse: Warehouse) -> None:
        put(warehouse, "+12025550100", "+12025550101", "+12025550102")
        mark = warehouse.hook.placeholder
        sql = f'SELECT "number", 1 FROM "checks" WHERE "number" <> {mark} ORDER BY 1'
        with open_query(warehouse.hook, sql.replace('"', warehouse.quote), ["+12025550101"]) as rows:
            assert [row[0] for row in rows] == ["+12025550100", "+12025550102"]

    def test_may_hold_percent_signs_where_it_has_no_parameters(self, warehouse: Warehouse) -> None:
        put(warehouse, "+12025550100")
        sql = """SELECT "number" FROM "checks" WHERE "number" LIKE '+1202%' """
        with open_query(warehouse.hook, sql.replace('"', warehouse.quote)) as rows:
            assert [row[0] for row in rows] == ["+12025550100"]

    def test_may_be_left_before_its_end(self, warehouse: Warehouse) -> None:
        load_rows(warehouse, answers(40_000))
        sql = 'SELECT "number" FROM "checks"'.replace('"', warehouse.quote)
        with open_query(warehouse.hook, sql) as rows:
            assert len(next(rows)) == 1
        assert warehouse.count() == 40_000

    def test_that_cannot_be_run_is_told_in_the_databases_words(self, warehouse: Warehouse) -> None:
        with (
            pytest.raises((QueryError, WarehouseRefusedError)) as caught,
            open_query(warehouse.hook, "SELECT phne FROM no_such_table") as rows,
        ):
            next(rows)
        if warehouse.name.startswith(("sqlite", "psycopg", "mariadb")):
            assert isinstance(caught.value, QueryError)
            assert "no_such_table" in str(caught.value)

    def test_that_fails_on_a_row_shows_nothing_of_it(self, warehouse: Warehouse) -> None:
        if not warehouse.name.startswith("psycopg"):
            pytest.skip("casts of this database do not fail")
        put(warehouse, "+12025550100")
        with (
            pytest.raises(WarehouseRefusedError) as caught,
            open_query(warehouse.hook, "SELECT number::date FROM checks") as rows,
        ):
            next(rows)
        assert "1202555" not in "".join(traceback.format_exception(caught.value))


def test_a_lost_connection_is_not_taken_for_a_missing_table(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All numbers would be paid for again."""
    if not warehouse.name.startswith("redshift"):
        pytest.skip("this database's own catalogue is asked")
    put(warehouse, "+12025550100")
    hook = warehouse.hook

    def lost() -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(hook, "get_sqlalchemy_engine", lost)
    monkeypatch.setattr(
        "airflow_provider_checknumber.warehouse.databases.base.Database.describe", lambda *_: None
    )
    with pytest.raises(
        TableError, match=r"what table checks answers \(asking for it ended with ConnectionError\)"
    ):
        list(answered_since(hook, table="checks", task_type="Twitter", since=NOW))
