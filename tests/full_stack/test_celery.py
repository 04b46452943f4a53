"""Celery workers with Redis as their broker, which share no folder: each task of a run on another of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow
from airflow_provider_checknumber.sandbox.demo_numbers import made_up_numbers
from tests.full_stack import Secrets
from tests.support.deployment import Deployment
from tests.support.postgres import Postgres, postgres_server

pytest.importorskip("airflow.providers.celery", reason="Celery is in the environment with Airflow 3.3 only")
pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is missing: apt-get install redis-server"
)

NUMBERS = list(made_up_numbers(50))


class Stage:
    """A deployment whose tasks run on the workers that a test starts."""

    def __init__(self, folder: Path, airflow: Deployment, warehouse: Postgres, sandbox: Sandbox) -> None:
        self.folder = folder
        self.airflow = airflow
        self.warehouse = warehouse
        self.sandbox = sandbox

    def start_worker(self, name: str, *, queues: str) -> PrivateAirflow:
        """Start a Celery worker on a machine of its own, which has the list of numbers on its disk."""
        home = self.folder / name
        settings = {"TMPDIR": str(home / "tmp"), "AIRFLOW_VAR_NUMBER_FILE": str(home / "numbers.txt")}
        machine = self.airflow.machine(home, settings)
        (home / "tmp").mkdir()
        (home / "numbers.txt").write_text("\n".join(NUMBERS))
        options = ("--queues", queues, "--celery-hostname", name, "--concurrency", "1", "--skip-serve-logs")
        self.airflow.start("celery", "worker", *options, machine=machine)
        return machine

    def rows(self) -> list[tuple[str, str]]:
        return self.warehouse.query(
            "SELECT number, checknumber_task_id FROM twitter_accounts ORDER BY number"
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    from tests.support.redis_server import redis_server

    with (
        redis_server(tmp_path) as broker,
        postgres_server() as metadata,
        metadata.new_database() as warehouse,
        Sandbox(queue_seconds=0) as sandbox,
        Deployment(
            tmp_path / "airflow",
            database=metadata,
            dag_files=[Path(__file__).with_name("workers_dag.py")],
            connections={
                "checknumber_default": sandbox.connection_json,
                "warehouse": warehouse.airflow_connection,
            },
            settings={
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CELERY__BROKER_URL": broker,
                "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{metadata.sqlalchemy_url}",
            },
        ) as airflow,
    ):
        airflow.start_all()
        yield Stage(tmp_path, airflow, warehouse, sandbox)


def test_workers_that_share_no_folder_do_a_run_between_them_and_others_repeat_it_unpaid(stage: Stage) -> None:
    east = stage.start_worker("east", queues="east")
    west = stage.start_worker("west", queues="west")
    stage.airflow.trigger("workers")

    assert stage.airflow.ended("workers") == dict.fromkeys(("", "submit", "wait", "load"), "success")
    assert tasks_run_on(east) == {"submit", "load"}
    assert tasks_run_on(west) == {"wait"}
    rows = stage.rows()
    (charge,) = stage.sandbox.state()["charges"]
    assert rows == [(number, charge["task_id"]) for number in sorted(NUMBERS)]

    secrets = Secrets(NUMBERS, keys=[stage.sandbox.api_key])
    for machine in (east, west):
        (machine.home / "numbers.txt").unlink()
        assert secrets.files_below(machine.home) == []
        stage.airflow.kill("celery", machine=machine)
        shutil.rmtree(machine.home)
    south = stage.start_worker("south", queues="east,west")
    stage.airflow.airflow.run("tasks", "clear", "--yes", "workers")

    assert stage.airflow.ended("workers") == dict.fromkeys(("", "submit", "wait", "load"), "success")
    assert tasks_run_on(south) == {"submit", "wait", "load"}
    assert stage.rows() == rows
    assert stage.sandbox.state()["charges"] == [charge]


def tasks_run_on(machine: PrivateAirflow) -> set[str]:
    """Return the tasks whose logs the machine has."""
    return {folder.name.removeprefix("task_id=") for folder in machine.home.glob("logs/dag_id=*/run_id=*/*")}
