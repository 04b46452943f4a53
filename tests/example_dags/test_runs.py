"""The examples that the demo does not run, run by real Airflow: against a sandbox, SQLite, and an S3 of our own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow
from tests.faults.versions import installed_airflow
from tests.support.s3 import s3_server

EXAMPLES = Path(__file__).parents[2] / "example_dags"
NUMBERS = [f"+1202555{number:04}" for number in range(20)]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(speed=float("inf"), queue_seconds=0) as running:
        yield running


class Database:
    """A SQLite file behind the connection ``warehouse``."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.connection = {"warehouse": f'{{"conn_type": "sqlite", "host": "{file}"}}'}

    def run(self, sql: str, rows: list[tuple[Any, ...]] | None = None) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            if rows is not None:
                return connection.executemany(sql, rows).fetchall()
            return connection.execute(sql).fetchall()


@pytest.fixture
def warehouse(tmp_path: Path) -> Database:
    return Database(tmp_path / "warehouse.db")


def states(airflow: PrivateAirflow) -> list[tuple[str, str]]:
    """Tasks and their states, those of the last run only, mapped ones each."""
    with closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        return database.execute(
            "SELECT task_id, state FROM task_instance WHERE run_id = "
            "(SELECT run_id FROM dag_run ORDER BY id DESC LIMIT 1) ORDER BY task_id, map_index"
        ).fetchall()


def test_a_daily_enrichment_pays_only_for_new_numbers(
    sandbox: Sandbox, warehouse: Database, private_airflow: Callable[..., PrivateAirflow]
) -> None:
    warehouse.run("CREATE TABLE customers (phone TEXT)")
    # Twice each: as E.164, and as people in the United States write it.
    national = [f"({number[2:5]}) {number[5:8]}-{number[8:]}" for number in NUMBERS]
    warehouse.run("INSERT INTO customers VALUES (?)", [(number,) for number in NUMBERS + national])
    airflow = private_airflow(
        dag_files=[EXAMPLES / "example_checknumber_daily_enrichment.py"],
        connections=warehouse.connection,
        settings=sandbox.environment,
    )
    dag_id, conf = "example_checknumber_daily_enrichment", {"region": "US"}

    airflow.test_dag(dag_id, conf=conf)
    assert states(airflow) == [("load", "success"), ("submit", "success"), ("wait", "success")]
    loaded = warehouse.run("SELECT number, task_type FROM twitter_accounts ORDER BY number")
    assert loaded == [(number, "Twitter") for number in NUMBERS]

    second = airflow.test_dag(dag_id, conf=conf)
    assert states(airflow) == [("load", "skipped"), ("submit", "skipped"), ("wait", "skipped")]
    assert any("20 of 20 numbers are answered in twitter_accounts" in line for line in second)
    assert [charge["numbers"] for charge in sandbox.state()["charges"]] == [20]


def test_a_file_on_s3_becomes_a_table_by_way_of_s3(
    sandbox: Sandbox, warehouse: Database, private_airflow: Callable[..., PrivateAirflow], tmp_path: Path
) -> None:
    name = "example_checknumber_object_storage"
    example = tmp_path / f"{name}.py"
    # Three batches of a list that a test can afford.
    source = (EXAMPLES / f"{name}.py").read_text().replace("BATCH_SIZE = 100_000", "BATCH_SIZE = 7")
    if installed_airflow() == "2.11":
        # `dags test` of Airflow 2 forgets of a task that was deferred that it is mapped.
        source = source.replace("deferrable=True", "deferrable=False")
    example.write_text(source)
    with s3_server() as lake:
        lake.put("customers.csv", "\n".join(["id,phone", *(f"7,{number}" for number in NUMBERS)]).encode())
        airflow = private_airflow(
            dag_files=[example],
            connections=warehouse.connection,
            settings={**sandbox.environment, **lake.environment},
        )
        airflow.test_dag(name)
        stored = lake.listing()

    ids = [charge["task_id"] for charge in sandbox.state()["charges"]]
    assert [charge["numbers"] for charge in sandbox.state()["charges"]] == [7, 7, 6]
    assert stored == sorted(["customers.csv", *(f"checks/Twitter/{id_}.csv" for id_ in ids)])
    rows = warehouse.run("SELECT number, checknumber_task_id, twitter FROM twitter_accounts ORDER BY number")
    assert [row[0] for row in rows] == NUMBERS
    assert {row[1] for row in rows} == set(ids)
    assert {row[2] for row in rows} <= {"true", "false", None}
    assert {state for _, state in states(airflow)} == {"success"}
