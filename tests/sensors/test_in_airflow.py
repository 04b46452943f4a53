"""What only Airflow can tell of a wait: states, retries and XComs. One DAG run for all of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from airflow_provider_checknumber.client import CheckNumberClient, Endpoint
from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import AirflowCommandError
from tests.faults.versions import installed_airflow
from tests.support.airflow_home import airflow_home

DAG_FILE = Path(__file__).with_name("waits_dag.py")


class Run(NamedTuple):
    """What has become of a DAG run: state and number of tries by task, XComs, and the log."""

    ended: dict[str, tuple[str, int]]
    returned: dict[str, str]
    log: str
    exported: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, airflow_database: Path) -> Run:
    folder = tmp_path_factory.mktemp("waits")
    numbers = folder / "numbers.txt"
    numbers.write_text("+12025550100\n+12025550101\n")
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox:
        with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
            tasks = [client.submit_task(numbers, "Twitter").task_id for _ in range(4)]
        exported, failed, stuck, late = tasks
        sandbox.set_fault("task_status", status="failed", task_id=failed)
        sandbox.set_fault("task_status", status="processing", task_id=stuck, times=None)
        sandbox.set_fault("task_status", status="processing", task_id=late)
        home = airflow_home(
            folder / "airflow",
            database=airflow_database,
            dag_files=[DAG_FILE],
            settings={
                **sandbox.environment,
                "CHECKNUMBER_TEST_TASKS": ",".join(tasks),
                "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True",
            },
        )
        lines: list[str] = []
        with suppress(AirflowCommandError):  # Most of the tasks are to fail.
            home.test_dag("waits", on_line=lines.append)
    with closing(sqlite3.connect(home.home / "airflow.db")) as database:
        ended = database.execute("SELECT task_id, state, try_number FROM task_instance").fetchall()
        returned = database.execute("SELECT task_id, value FROM xcom WHERE key = 'return_value'").fetchall()
    return Run(
        ended={task_id: (state, tries) for task_id, state, tries in ended},
        returned={
            task_id: value.decode() if isinstance(value, bytes) else value for task_id, value in returned
        },
        log="\n".join(lines),
        exported=exported,
    )


@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
def test_an_exported_task_is_a_success_and_its_id_the_xcom(run, mode):
    assert run.ended[f"exported.{mode}"] == ("success", 1)
    assert run.returned[f"exported.{mode}"] == f'"{run.exported}"'


@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
def test_a_timeout_is_not_retried(run, mode):
    if mode == "reschedule" and installed_airflow() == "3.0":
        pytest.skip("`dags test` of Airflow 3.0 fails where a sensor comes back")
    assert run.ended[f"timeout.{mode}"] == ("failed", 1)


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_a_failed_task_is_not_retried_and_skips_where_asked_to(run, mode):
    assert run.ended[f"failed.{mode}"] == ("failed", 1)
    assert run.ended[f"failed_soft.{mode}"] == ("skipped", 1)


@pytest.mark.skipif(installed_airflow() == "2.11", reason="it ends `dags test` of Airflow 2 as a whole")
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_an_execution_timeout_is_retried_whatever_soft_fail_says(run, mode):
    assert run.ended[f"execution_timeout.{mode}"] == ("failed", 2)
    of_both_modes_and_tries = 4
    printed = 2 if installed_airflow() == "3.0" else 1  # times a line
    assert run.log.count("Stopped waiting for CheckNumber task") == of_both_modes_and_tries * printed


def test_a_deployment_that_defers_by_default_is_heard(run):
    assert run.ended["late.default"] == ("success", 1)
    its_part = run.log.partition("starting task_id=late.default")[2].partition("starting task_id=")[0]
    assert "running trigger in line" in its_part
