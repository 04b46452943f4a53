"""What becomes of the rows that are there: the same on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_checknumber.warehouse import WriteDisposition
from tests.warehouse.databases import Warehouse
from tests.warehouse.loads import CHECKED_AT, answers, load_rows, number

EVERY_DISPOSITION: tuple[WriteDisposition, ...] = ("append", "merge", "replace")


def stored(warehouse: Warehouse, what: str = '"number", "twitter"') -> list[tuple[object, ...]]:
    return warehouse.run(f'SELECT {what} FROM "checks" ORDER BY "number", "checknumber_task_id"')


@pytest.mark.parametrize("disposition", EVERY_DISPOSITION)
def test_every_row_arrives_with_its_answer_and_its_check(
    warehouse: Warehouse, disposition: WriteDisposition
) -> None:
    report = load_rows(warehouse, answers(1000), write_disposition=disposition)

    assert stored(warehouse) == answers(1000)
    assert warehouse.run('SELECT DISTINCT "task_type", "checknumber_task_id" FROM "checks"') == [
        ("Twitter", "d4g8o46p2jvh04o9uolg")
    ]
    assert (report.rows_read, report.loaded) == (1000, 1000)


@pytest.mark.parametrize("disposition", EVERY_DISPOSITION)
def test_a_second_run_of_the_same_check_leaves_the_same_rows(
    warehouse: Warehouse, disposition: WriteDisposition
) -> None:
    load_rows(warehouse, answers(1000), write_disposition=disposition)
    before = stored(warehouse, "*")
    report = load_rows(warehouse, answers(1000), write_disposition=disposition)

    assert stored(warehouse, "*") == before
    assert report.loaded == 1000


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_a_task_type_that_nobody_knows_is_null(warehouse: Warehouse, disposition: WriteDisposition) -> None:
    for _ in range(2):
        load_rows(warehouse, answers(10), task_type=None, write_disposition=disposition)

    assert stored(warehouse) == answers(10)
    assert warehouse.run('SELECT DISTINCT "task_type" FROM "checks"') == [(None,)]


def test_append_keeps_the_rows_of_other_checks(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(10), task="first")
    load_rows(warehouse, answers(10), task="second")

    assert warehouse.count() == 20


def test_replace_leaves_nothing_of_other_checks(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(10), task="first", task_type="ws")
    report = load_rows(warehouse, answers(3, start=100), task="second", write_disposition="replace")

    assert stored(warehouse) == answers(3, start=100)
    assert report.removed == 10


def test_merge_keeps_one_row_a_number_and_task_type_and_the_newest_wins(warehouse: Warehouse) -> None:
    merge = {"write_disposition": "merge"}
    load_rows(warehouse, [(number(1), True), (number(2), True)], task="middle", **merge)
    older = load_rows(
        warehouse,
        [(number(2), False), (number(3), False)],
        task="older",
        at=CHECKED_AT - timedelta(days=1),
        **merge,
    )
    newer = load_rows(
        warehouse, [(number(1), None)], task="newer", at=CHECKED_AT + timedelta(microseconds=1), **merge
    )
    load_rows(warehouse, [(number(1), False)], task="other", task_type="ws", **merge)

    assert stored(warehouse, '"number", "twitter", "checknumber_task_id", "task_type"') == [
        (number(1), None, "newer", "Twitter"),
        (number(1), False, "other", "ws"),
        (number(2), True, "middle", "Twitter"),
        (number(3), False, "older", "Twitter"),
    ]
    assert (older.loaded, older.superseded) == (1, 1)
    assert (newer.loaded, newer.superseded) == (1, 0)
