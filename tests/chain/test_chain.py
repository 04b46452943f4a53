"""Every operator in one run of real Airflow: mapped, in task groups, and with what they leave behind."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import airflow
import pytest

from tests.chain.runs import NUMBERS, Run, run_chain


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, airflow_database: Path) -> Run:
    return run_chain(tmp_path_factory.mktemp("chain"), airflow_database)


def rows(run: Run, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(run.folder / "warehouse.db")) as warehouse:
        return warehouse.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def test_every_operator_runs_mapped_and_in_groups(run):
    looking = ("link_of_", "event_of_")
    ended = {task: states for task, states in run.states.items() if not task.startswith(looking)}

    assert ended == {
        "write_lists": ["success"],
        "check_numbers.submit": ["success"],
        "check_numbers.wait": ["success"],
        "check_numbers.load": ["success"],
        "check_numbers__1.submit": ["success"],
        "check_numbers__1.wait": ["success"] * 2,
        "check_numbers__1.load": ["success"] * 2,
        "each.submit": ["success"] * 2,
        "each.wait": ["success"] * 2,
        "each.load": ["success"] * 2,
        "submit": ["success"] * 2,
        "query": ["success"] * 2,
        "wait": ["success"] * 2,
        "load": ["success"] * 2,
        "export": ["success"] * 2,
        "refused": ["failed"],
    }


def test_a_group_submits_waits_and_loads_each_list_it_is_given(run):
    assert [row[0] for row in rows(run, "in_a_group")] == NUMBERS[:3]
    assert [row[0] for row in rows(run, "in_batches")] == NUMBERS[3:]
    assert [row[0] for row in rows(run, "mapped")] == NUMBERS
    assert len({row[-2] for row in rows(run, "in_batches")}) == 2


def test_templates_reach_what_they_are_written_in(run):
    with closing(sqlite3.connect(run.folder / "warehouse.db")) as warehouse:
        names = [row[1] for row in warehouse.execute("PRAGMA table_info(renamed)")]

    assert "has_in_a_group" in names
    assert "more than max_numbers=2" in run.log
    assert (
        run.xcoms("query", "counts")
        == [{"numbers": 1, "duplicates": 0, "invalid": 0, "already_answered": 1}] * 2
    )


def test_every_task_links_to_the_dashboard_also_where_it_failed(run):
    dashboard = "https://dashboard.example/tasks"

    assert {task: value for task, value in run.returned.items() if task.startswith("link_of_")} == {
        "link_of_check_numbers.submit": dashboard,
        "link_of_check_numbers.wait": dashboard,
        "link_of_check_numbers.load": dashboard,
        "link_of_query": dashboard,
        "link_of_wait": dashboard,
        "link_of_export": dashboard,
        "link_of_refused": dashboard,
        "link_of_write_lists": "",
    }


def sums(run: Run, name: str) -> Counter[str]:
    """Add up a counter's lines, by their tags without the service."""
    sums: Counter[str] = Counter()
    for line in run.metrics:
        if found := re.fullmatch(rf"airflow\.checknumber\.{name},(.*?):(\d+)\|c", line):
            tags = sorted(tag for tag in found[1].split(",") if not tag.startswith("service="))
            sums[",".join(tags)] += int(found[2])
    return sums


def test_a_statsd_server_counts_what_was_submitted_saved_asked_and_written(run):
    in_groups, alone = 3 + 4 + 7, 7 + 1 + 1

    assert sums(run, "submissions") == {"task_type=Twitter": 1 + 2 + 2 + 2 + 2}
    assert sums(run, "numbers_submitted") == {"task_type=Twitter": in_groups + alone}
    assert sums(run, "numbers_saved") == {"task_type=Twitter": 2}
    assert sums(run, "rows_loaded") == {"task_type=Twitter": in_groups + 2 * 3}
    assert sums(run, "rows_exported") == {"task_type=Twitter": 7}
    assert sums(run, "polls")["status=exported"] == 7


def test_a_statsd_server_learns_how_long_waits_and_loads_took(run):
    timed = Counter(
        line.partition(",")[0] for line in run.metrics if ".checknumber." in line and "|ms" in line
    )

    assert timed == {
        "airflow.checknumber.wait": 7,
        "airflow.checknumber.load": 7,
        "airflow.checknumber.export": 2,
    }
    assert all(",service=127.0.0.1_" in line for line in run.metrics if ".checknumber." in line)


@pytest.mark.skipif(
    airflow.__version__.startswith("3.0."), reason="its `dags test` takes assets for inactive"
)
def test_what_follows_an_outlet_learns_what_was_loaded(run):
    (first, *_) = run.xcoms("submit", "return_value")

    read = [run.returned["event_of_load"]] if airflow.__version__ >= "3" else []
    for told in [*run.xcoms("load", "event"), *read]:
        assert (told["checknumber_task_id"], told["task_type"], told["loaded"]) == (first, "Twitter", 3)


def completed(run: Run, task: str) -> list[dict[str, Any]]:
    """Return the events that OpenLineage was sent about the success of a task."""
    events = [event for event in run.lineage if event["eventType"] == "COMPLETE"]
    return [event for event in events if event["job"]["name"] == f"chain.{task}"]


def test_lineage_leads_from_the_list_through_the_check_to_the_table(run):
    (submitted,), (loaded,) = completed(run, "check_numbers.submit"), completed(run, "check_numbers.load")
    service = submitted["run"]["facets"]["externalQuery"]["source"]
    warehouse = f"sqlite://{run.folder}/warehouse.db"

    def names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(dataset["namespace"], dataset["name"]) for dataset in datasets]

    assert names(submitted["inputs"]) == [("file", f"{run.folder}/one.txt")]
    assert names(submitted["outputs"]) == names(loaded["inputs"]) == [(f"checknumber://{service}", "Twitter")]
    assert names(loaded["outputs"]) == [(warehouse, "in_a_group")]
    assert names(completed(run, "query")[0]["inputs"]) == [(warehouse, "customers")]
    exported = [file for event in completed(run, "export") for file in event["outputs"]]
    ids = run.xcoms("submit", "return_value")
    assert sorted(names(exported)) == sorted(("file", f"{run.folder}/lake/Twitter/{id_}.csv") for id_ in ids)
    assert {file["outputFacets"]["outputStatistics"]["rowCount"] for file in exported} == {3, 4}


def test_lineage_tells_columns_rows_and_the_services_task(run):
    (loaded,) = completed(run, "check_numbers.load")
    (table,) = loaded["outputs"]

    columns = {field["name"]: field["type"] for field in table["facets"]["schema"]["fields"]}
    assert list(columns) == ["number", "twitter", "task_type", "checknumber_task_id", "checked_at"]
    assert columns["twitter"] == "BOOLEAN"
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 3
    task_ids = {
        completed(run, f"check_numbers.{task}")[0]["run"]["facets"]["externalQuery"]["externalQueryId"]
        for task in ("submit", "load")
    }
    assert task_ids == {run.returned["check_numbers.submit"]}
    batches = completed(run, "check_numbers__1.submit")[0]["run"]["facets"]["externalQuery"][
        "externalQueryId"
    ]
    assert batches == ",".join(run.returned["check_numbers__1.submit"])


def test_no_number_key_or_link_is_in_a_log_a_metric_lineage_or_the_metadata_database(run):
    assert "debug" in run.log.lower()
    database = (run.home / "airflow.db").read_bytes().decode(errors="replace")
    logs = "".join(file.read_text() for file in (run.home / "logs").rglob("*") if file.is_file())

    written = [*run.log.splitlines(), *logs.splitlines(), *run.metrics, *database.splitlines()]
    written += map(str, run.lineage)
    # `dags test` shows how it is told what to mask, which a worker's supervisor keeps to itself.
    shown = [line for line in written if "MaskSecret(" not in line]
    assert [line for line in shown if any(secret in line for secret in run.secrets)] == []
