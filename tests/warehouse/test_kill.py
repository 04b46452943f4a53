"""A load of a million rows whose process is killed leaves the table as it was; the next run completes it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_checknumber.warehouse import TableError, WriteDisposition
from tests.warehouse.databases import Warehouse
from tests.warehouse.loads import answers, load_rows


@pytest.fixture
def warehouse(bulk_warehouse: Warehouse) -> Warehouse:
    """Each database that has a loader of its own."""
    return bulk_warehouse


def start(warehouse: Warehouse, disposition: WriteDisposition, rows: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.warehouse.big_load", warehouse.name, disposition, str(rows)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_at(process: subprocess.Popen[str], word: str) -> None:
    """Send SIGKILL as soon as the process says the word."""
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if line.strip() == word:
                process.kill()
                return
    raise AssertionError(f"The load ended without saying {word!r}.")


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_load_killed_halfway_leaves_the_table_as_it_was_and_the_next_run_completes_it(
    warehouse: Warehouse, disposition: WriteDisposition
) -> None:
    load_rows(warehouse, answers(100), task="before", task_type="ws", write_disposition=disposition)
    before = warehouse.run("SELECT * FROM checks ORDER BY number")

    kill_at(start(warehouse, disposition, 1_000_000), "half")
    assert warehouse.run("SELECT * FROM checks ORDER BY number") == before

    said, _ = start(warehouse, disposition, 1_000_000).communicate()
    assert said.splitlines()[-1] == "done"
    counts = "SELECT checknumber_task_id, COUNT(*) FROM checks GROUP BY 1 ORDER BY 1 DESC"
    kept = [] if disposition == "replace" else [("before", 100)]
    assert warehouse.run(counts) == [("big", 1_000_000), *kept]


def test_a_first_load_killed_halfway_leaves_no_row_and_the_next_run_completes_it(
    warehouse: Warehouse,
) -> None:
    kill_at(start(warehouse, "append", 100_000), "half")
    if (
        warehouse.name == "mariadb"
    ):  # Where making a table is no part of a transaction, it stays, and is empty.
        assert warehouse.count() == 0
    else:
        with pytest.raises(TableError, match="There is no table checks"):
            load_rows(warehouse, answers(1), create_table=False)

    said, _ = start(warehouse, "append", 100_000).communicate()
    assert said.splitlines()[-1] == "done"
    assert warehouse.count() == 100_000


def test_a_merge_killed_when_all_is_handed_over_has_all_or_nothing(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(100), task="before", write_disposition="merge")

    kill_at(start(warehouse, "merge", 100_000), "all")

    assert warehouse.count() in (100, 100_000)
    assert load_rows(warehouse, answers(100), task="after", write_disposition="merge").loaded == 100
