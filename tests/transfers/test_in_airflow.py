"""What only Airflow can tell of a submission: that what it remembers is there in the next try. One DAG run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow

DAG_FILE = Path(__file__).with_name("retries_dag.py")


def test_a_retry_pays_for_nothing_that_the_first_try_has_paid_for(
    private_airflow: Callable[..., PrivateAirflow], tmp_path: Path
) -> None:
    file = tmp_path / "warehouse.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE customers (phone TEXT)")
        database.execute("CREATE TABLE checks (number TEXT, task_type TEXT, checked_at TEXT)")
        database.executemany("INSERT INTO customers VALUES (?)", [(f"+4420794600{n:02}",) for n in range(5)])
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox:
        airflow = private_airflow(
            dag_files=[DAG_FILE],
            connections={"warehouse": json.dumps({"conn_type": "sqlite", "host": str(file)})},
            settings=sandbox.environment,
        )
        airflow.test_dag("retries")
        charges = sandbox.state()["charges"]

    # The query's list, which a second try would find one shorter; then three batches, two of them in the first try.
    assert [charge["numbers"] for charge in charges] == [5, 7, 7, 6]
    with closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        ended = database.execute("SELECT task_id, state, try_number FROM task_instance").fetchall()
        returned = dict(
            database.execute("SELECT task_id, value FROM xcom WHERE key = 'return_value'").fetchall()
        )
    assert sorted(ended) == [("batches", "success", 2), ("query", "success", 2)]
    ids = [charge["task_id"] for charge in charges]
    assert {task: json.loads(value) for task, value in returned.items()} == {
        "query": ids[0],
        "batches": ids[1:],
    }
