"""Runs the DAG of this folder once, against a sandbox and a SQLite database, and holds what has become of it."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import AirflowCommandError
from tests.support.airflow_home import airflow_home

NUMBERS = [f"+1202555{number:04}" for number in range(117, 124)]
OTHERS = ["+442079460018", "+442079460019"]
DAG_FILES = [Path(__file__).with_name(name) for name in ("chain_dag.py", "numbers.sql")]


@dataclass(frozen=True)
class Run:
    """What has become of a DAG run.

    :param folder: holds ``warehouse.db``.
    :param home: Airflow's.
    :param log: of all tasks, at DEBUG.
    :param metrics: the lines that a StatsD server got.
    :param lineage: the events that OpenLineage was sent.
    :param secrets: what must not be in anything that Airflow writes or sends.
    """

    folder: Path
    home: Path
    log: str
    metrics: list[str]
    lineage: list[dict[str, Any]]
    secrets: list[str]

    def _query(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute(sql, parameters).fetchall()

    @property
    def states(self) -> dict[str, list[str]]:
        """The states of each task's instances."""
        states: dict[str, list[str]] = {}
        for task_id, state in self._query("SELECT task_id, state FROM task_instance ORDER BY map_index"):
            states.setdefault(task_id, []).append(state)
        return states

    def xcoms(self, task_id: str, key: str) -> list[Any]:
        """The values that a task's instances have left under a key."""
        sql = "SELECT value FROM xcom WHERE task_id = ? AND key = ? ORDER BY map_index"
        return [json.loads(value) for (value,) in self._query(sql, task_id, key)]

    @property
    def returned(self) -> dict[str, Any]:
        """What the tasks have returned that are not mapped."""
        sql = "SELECT task_id, value FROM xcom WHERE key = 'return_value' AND map_index = -1"
        return {task_id: json.loads(value) for task_id, value in self._query(sql)}


class StatsD:
    """A StatsD server: a UDP socket, and the lines that came there."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.port = self._socket.getsockname()[1]
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        while datagram := self._socket.recv(65_536):
            self.lines += datagram.decode().splitlines()

    def __enter__(self) -> StatsD:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()


def run_chain(folder: Path, airflow_database: Path) -> Run:
    """Run the DAG."""
    with closing(sqlite3.connect(folder / "warehouse.db")) as warehouse, warehouse:
        warehouse.execute("CREATE TABLE customers (phone TEXT, part TEXT)")
        people = zip([*NUMBERS[:2], *OTHERS], "1212", strict=True)
        warehouse.executemany("INSERT INTO customers VALUES (?, ?)", people)
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox, StatsD() as statsd:
        connection = json.loads(sandbox.connection_json)
        connection["extra"]["dashboard_url"] = "https://dashboard.example/tasks"
        airflow = airflow_home(
            folder / "airflow",
            database=airflow_database,
            dag_files=DAG_FILES,
            connections={
                "checknumber_default": json.dumps(connection),
                "warehouse": json.dumps({"conn_type": "sqlite", "host": str(folder / "warehouse.db")}),
            },
            settings={
                "CHECKNUMBER_TEST_FOLDER": str(folder),
                "CHECKNUMBER_TEST_NUMBERS": ",".join(NUMBERS),
                "PYTHONPATH": os.getcwd(),
                "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                    {"type": "file", "log_file_path": str(folder / "lineage"), "append": True}
                ),
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
                "AIRFLOW__METRICS__STATSD_ON": "True",
                "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
                "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
                "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            },
        )
        lines: list[str] = []
        with suppress(AirflowCommandError):  # One task is to fail.
            airflow.test_dag("chain", on_line=lines.append, timeout=500)
        numbers = [number.lstrip("+") for number in [*NUMBERS, *OTHERS]]
        secrets = [*numbers, sandbox.api_key, "X-Amz-Signature="]
    return Run(
        folder=folder,
        home=airflow.home,
        log="\n".join(lines),
        metrics=statsd.lines,
        lineage=[json.loads(line) for line in (folder / "lineage").read_text().splitlines()],
        secrets=secrets,
    )
