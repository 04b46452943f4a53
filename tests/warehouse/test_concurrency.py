"""Loads at the same time, and readers meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_checknumber.results import ResultColumn
from airflow_provider_checknumber.warehouse import LoadReport, WarehouseError, WriteDisposition, load
from tests.warehouse.databases import Warehouse
from tests.warehouse.loads import CHECKED_AT, TWITTER, answers, batches, check, load_rows, number

ROWS = 3000


def at_once(*works: Callable[[], LoadReport]) -> list[LoadReport]:
    """Start all of them at the same moment; return what they return, or raise what one raises."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], LoadReport]) -> LoadReport:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture
def warehouse(locking_warehouse: Warehouse) -> Warehouse:
    """The databases that have a loader of their own; others know no lock that all of them have."""
    return locking_warehouse


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_loads_of_one_check_at_once_leave_its_rows_once(
    warehouse: Warehouse, disposition: WriteDisposition
) -> None:
    at_once(*[lambda: load_rows(warehouse, answers(ROWS), write_disposition=disposition)] * 3)

    assert warehouse.run("SELECT COUNT(*), COUNT(DISTINCT number) FROM checks") == [(ROWS, ROWS)]


def test_loads_of_different_checks_at_once_leave_the_rows_of_all(warehouse: Warehouse) -> None:
    at_once(
        *(lambda task=task: load_rows(warehouse, answers(ROWS), task=task) for task in ("a", "b", "c", "d"))
    )

    counts = warehouse.run("SELECT checknumber_task_id, COUNT(*) FROM checks GROUP BY 1 ORDER BY 1")
    assert counts == [("a", ROWS), ("b", ROWS), ("c", ROWS), ("d", ROWS)]


def test_replacements_at_once_leave_the_rows_of_one(warehouse: Warehouse) -> None:
    at_once(
        *(
            lambda task=task: load_rows(warehouse, answers(ROWS), task=task, write_disposition="replace")
            for task in ("a", "b", "c")
        )
    )

    assert warehouse.run("SELECT COUNT(*), COUNT(DISTINCT checknumber_task_id) FROM checks") == [(ROWS, 1)]


def test_merges_at_once_in_opposite_orders_end_with_the_newest(warehouse: Warehouse) -> None:
    rows = answers(ROWS)
    at_once(
        *(
            lambda day=day: load_rows(
                warehouse,
                rows if day % 2 else rows[::-1],
                task=f"day-{day}",
                at=CHECKED_AT + timedelta(days=day),
                write_disposition="merge",
            )
            for day in range(4)
        )
    )

    assert warehouse.run("SELECT checknumber_task_id, COUNT(*) FROM checks GROUP BY 1") == [("day-3", ROWS)]


@pytest.mark.parametrize("result", [TWITTER, (*TWITTER, ResultColumn("name", "text"))])
@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_reader_meets_the_old_rows_until_the_new_ones_are_there(
    warehouse: Warehouse, disposition: WriteDisposition, result: tuple[ResultColumn, ...]
) -> None:
    load_rows(warehouse, answers(10), task="old", task_type="ws", write_disposition=disposition)
    seen: list[int] = []

    def looking() -> Iterator[list[list[Any]]]:
        for batch in batches(answers(ROWS), 500):
            yield [*batch, ["Zoë"] * 500][: len(result)]
            seen.append(warehouse.count())

    load(
        warehouse.hook,
        table="checks",
        result_columns=result,
        batches=looking(),
        check=check(),
        write_disposition=disposition,
        on_new_column="add",
    )

    assert seen == [10] * 6
    assert warehouse.count() == (ROWS if disposition == "replace" else ROWS + 10)
    assert warehouse.run(f"SELECT COUNT(*) FROM checks WHERE number = '{number(20)}'") == [(1,)]


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_generic_loads_of_one_check_at_once_leave_its_rows_once_or_are_refused(
    generic_warehouse: Warehouse, disposition: WriteDisposition
) -> None:
    load_rows(generic_warehouse, answers(30), task="before", write_disposition=disposition)

    def until_it_is_done() -> LoadReport:
        while True:
            try:
                return load_rows(generic_warehouse, answers(ROWS), write_disposition=disposition)
            except WarehouseError:
                continue

    at_once(until_it_is_done, until_it_is_done)

    rows = generic_warehouse.run(
        "SELECT COUNT(*), COUNT(DISTINCT number) FROM checks WHERE checknumber_task_id <> 'before'"
    )
    assert rows == [(ROWS, ROWS)]
