"""The load as a DAG author has it, from a task of the sandbox to a table."""

from __future__ import annotations

import json
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_checknumber.client import CheckNumberClient, CheckNumberTransientError, Endpoint
from airflow_provider_checknumber.results import ArchiveLimits
from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator
from tests.warehouse.databases import CONN_ID, Warehouse, airflow_connection

NUMBERS = ["+12025550100", "+12025550101", "+12025550102"]


def operator(checknumber_task_id: str, **arguments: Any) -> CheckNumberToSqlOperator:
    return CheckNumberToSqlOperator(
        **{
            "task_id": "load",
            "checknumber_task_id": checknumber_task_id,
            "sql_conn_id": CONN_ID,
            "table": "checks",
            "create_table": True,
        }
        | arguments
    )


def test_a_result_becomes_rows_and_its_counts_are_returned(exported: str, warehouse: Warehouse) -> None:
    counts = operator(exported).execute({})

    rows = warehouse.run('SELECT "number", "twitter", "task_type", "checknumber_task_id" FROM "checks"')
    assert sorted(row[0] for row in rows) == NUMBERS
    assert {row[2:] for row in rows} == {("Twitter", exported)}
    assert {row[1] for row in rows} <= {0, 1, None}
    undetermined = [row[1] for row in rows].count(None)
    assert counts == {
        "rows_read": 3,
        "loaded": 3,
        "not_determined": undetermined,
        "duplicates": 0,
        "malformed": 0,
        "superseded": 0,
        "removed": 0,
        "total": 3,
        "success": 3 - undetermined,
        "failure": undetermined,
    }
    assert json.loads(json.dumps(counts)) == counts


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (ArchiveLimits(max_columns=1), "max_columns"),
        (ArchiveLimits(max_download_bytes=10), "max_download_bytes"),
    ],
)
def test_a_result_beyond_the_limits_given_is_not_loaded(
    exported: str, warehouse: Warehouse, limits: ArchiveLimits, named: str
) -> None:
    with pytest.raises(AirflowFailException, match=f"{named} of archive_limits"):
        operator(exported, archive_limits=limits).execute({})

    counts = operator(exported).execute({})
    assert (counts["removed"], counts["loaded"]) == (0, 3)


def test_a_second_run_for_the_same_task_leaves_the_same_rows(exported: str, warehouse: Warehouse) -> None:
    operator(exported).execute({})
    before = warehouse.run('SELECT * FROM "checks" ORDER BY "number"')

    assert operator(exported).execute({})["removed"] == 3
    assert warehouse.run('SELECT * FROM "checks" ORDER BY "number"') == before


def test_the_task_type_that_is_given_is_stored(exported: str, warehouse: Warehouse) -> None:
    operator(exported, task_type="Twitter", columns={"twitter": "has_twitter"}).execute({})

    assert warehouse.run('SELECT DISTINCT "task_type" FROM "checks"') == [("Twitter",)]
    assert len(warehouse.run('SELECT "has_twitter" FROM "checks"')) == 3


@pytest.fixture
def activated(sandbox: Sandbox, tmp_path: Path) -> str:
    """A task whose answers stand in a column that does not tell what was checked."""
    file = tmp_path / "activated.txt"
    file.write_text("\n".join(NUMBERS) + "\n")
    with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
        task_id = client.submit_task(file, "ws").task_id
        while client.get_task(task_id).result_url is None:
            time.sleep(0.01)
    return task_id


def test_where_nothing_tells_the_task_type_rows_go_without_and_a_warning_says_so(
    activated: str,
    warehouse: Warehouse,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for disposition in ("append", "replace"):
        assert operator(activated, write_disposition=disposition).execute({})["loaded"] == 3
    assert warehouse.run('SELECT DISTINCT "task_type" FROM "checks"') == [(None,)]
    logged = caplog.text + capsys.readouterr().out  # Which of them depends on Airflow's version.
    assert "task_type is NULL on its rows: give task_type" in logged


def test_a_merge_fails_where_nothing_tells_the_task_type(activated: str, warehouse: Warehouse) -> None:
    with pytest.raises(AirflowFailException, match="give task_type as the task was submitted"):
        operator(activated, write_disposition="merge").execute({})

    assert operator(activated, write_disposition="merge", task_type="ws").execute({})["loaded"] == 3


def test_an_expired_link_is_exchanged_for_a_fresh_one(
    sandbox: Sandbox, exported: str, warehouse: Warehouse
) -> None:
    sandbox.set_fault("expired_link")

    assert operator(exported).execute({})["loaded"] == 3


def test_a_task_that_failed_is_not_retried(failed: str, warehouse: Warehouse) -> None:
    with pytest.raises(AirflowFailException, match=f"task {failed} has failed"):
        operator(failed).execute({})


def test_a_task_that_is_not_exported_yet_may_be_retried(stuck: str, warehouse: Warehouse) -> None:
    with pytest.raises(CheckNumberTransientError, match="has no result yet"):
        operator(stuck).execute({})


@pytest.mark.parametrize("kind", ["truncated_archive", "corrupt_archive", "not_a_zip"])
def test_a_damaged_archive_leaves_the_table_as_it_was(
    sandbox: Sandbox, exported: str, warehouse: Warehouse, kind: str
) -> None:
    operator(exported).execute({})
    sandbox.set_fault(kind, times=None)

    with pytest.raises(AirflowFailException) as caught:
        operator(exported, write_disposition="replace").execute({})
    assert "+1202" not in "".join(traceback.format_exception(caught.value))
    assert warehouse.count() == 3


def test_a_missing_table_is_named(exported: str, warehouse: Warehouse) -> None:
    with pytest.raises(AirflowFailException, match="no table checks"):
        operator(exported, create_table=False).execute({})


def test_a_connection_that_is_no_database_is_refused(exported: str) -> None:
    with (
        airflow_connection('{"conn_type": "checknumber", "password": "x"}'),
        pytest.raises(AirflowFailException, match="is not a database's"),
    ):
        operator(exported).execute({})


@pytest.mark.parametrize(
    "arguments", [{"on_new_column": "drop"}, {"on_bad_row": "keep"}, {"write_disposition": "upsert"}]
)
def test_a_choice_that_is_none_is_refused(exported: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"use 'fail'|use 'append'"):
        operator(exported, **arguments).execute({})


def test_one_line_of_the_log_accounts_for_every_row_and_names_none(
    exported: str, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    operator(exported).execute({})
    log = capfd.readouterr().out

    assert f"Loaded CheckNumber task {exported} into checks: rows_read 3, loaded 3" in log
    assert "1202555" not in log
