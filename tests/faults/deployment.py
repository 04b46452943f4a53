"""A whole Airflow on this machine: its parts as processes of their own, PostgreSQL behind them.

For tests that need a scheduler, workers that can be killed and a triggerer that can be restarted, on
whichever version of Airflow the given interpreter has. What a DAG can show without a scheduler is
quicker with ``tests.support.airflow_home``.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow
from tests.support.postgres import Postgres

REPOSITORY = Path(__file__).parents[2]

#: Seconds for a part to do something that it does within a few.
_PATIENCE = 120.0

_SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "6",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    # Before a triggerer that was killed is taken for dead, and its triggers go to another.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    "AIRFLOW__WEBSERVER__WARN_DEPLOYMENT_EXPOSURE": "False",
}


@dataclass
class Deployment:
    """
    A running Airflow.

    :param airflow: its home, settings and interpreter.
    :param database: its metadata database.
    :param major: of its version.
    """

    airflow: PrivateAirflow
    database: Postgres
    major: int
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """The folder of the tasks' logs."""
        return self.airflow.home / "logs"

    def start(self, part: str, *arguments: str) -> None:
        """Start ``airflow part``; it prints into the home's ``part.log``."""
        with (self.airflow.home / f"{part}.log").open("ab") as output:
            self.parts[part] = subprocess.Popen(
                [self.airflow.python, "-m", "airflow", part, *arguments],
                env=self.airflow.environment(),
                cwd=self.airflow.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self, part: str) -> None:
        """Kill a part with all that it has started, as a machine that loses power would."""
        process = self.parts.pop(part)
        # Workers of Airflow 2 leave their parent's process group.
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.wait()

    def check(self) -> None:
        """
        Make sure that every part is alive.

        :raises RuntimeError: one has ended by itself; the message quotes its last words.
        """
        for part, process in self.parts.items():
            if process.poll() is not None:
                words = (self.airflow.home / f"{part}.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"`airflow {part}` has ended with status {process.returncode}:\n{words}")

    def states(self, dag_id: str) -> dict[str, str | None]:
        """Return the state of the DAG's only run as ``""`` and of its tasks by their names; ``{}`` before it."""
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            run = connection.execute("SELECT state FROM dag_run WHERE dag_id = %s", [dag_id]).fetchone()
            tasks = connection.execute(
                "SELECT task_id, state FROM task_instance WHERE dag_id = %s", [dag_id]
            ).fetchall()
        return {"": run[0], **dict(tasks)} if run else {}

    def tries(self, dag_id: str) -> dict[str, int]:
        """Return how often each task of the DAG has been tried."""
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT task_id, try_number FROM task_instance WHERE dag_id = %s", [dag_id]
            ).fetchall()
        return dict(rows)

    def log(self, dag_id: str, task_id: str) -> str:
        """Return what all tries of a task have logged; a line break within a message is one, in JSON too."""
        files = sorted(self.logs.glob(f"dag_id={dag_id}/run_id=*/task_id={task_id}/*.log*"))
        text = "\n".join(file.read_text(errors="replace") for file in files)
        return text.replace("\\n", "\n").replace('\\"', '"')


@contextlib.contextmanager
def deployment(
    home: Path,
    *,
    database: Postgres,
    dag_file: Path,
    preload: Iterable[str],
    python: str,
    major: int,
    connections: Mapping[str, str],
    settings: Mapping[str, str],
) -> Iterator[Deployment]:
    """
    Migrate the database, start an Airflow and stop it afterwards, with all its processes.

    :param home: a folder for everything it writes; made here.
    :param database: empty.
    :param dag_file: becomes the only file of the DAGs folder.
    :param preload: modules that its processes import at once, so that not every task has to.
    :param python: the interpreter whose Airflow is run.
    :param major: the major version of that Airflow.
    :param connections: connection id to connection, as JSON.
    :param settings: further environment variables of its processes.
    """
    dags = home / "dags"
    dags.mkdir(parents=True)
    (dags / dag_file.name).write_bytes(dag_file.read_bytes())
    (home / "config").mkdir()
    (home / "config" / "airflow_local_settings.py").write_text(
        "".join(f"import {name}\n" for name in preload)
    )
    port = str(_free_port())
    own = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://postgres@/{database.database}?host={database.socket}"
        ),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "PYTHONPATH": str(REPOSITORY),
        **_SETTINGS,
    }
    airflow = PrivateAirflow(
        home, dags_folder=dags, connections=connections, settings={**own, **settings}, python=python
    )
    airflow.migrate()
    running = Deployment(airflow, database, major)
    try:
        if major >= 3:
            running.start("api-server", "--apps", "execution", "--host", "127.0.0.1", "--port", port)
            _wait_for_port(running, int(port))
            running.start("dag-processor")
        running.start("scheduler")
        running.start("triggerer", "--skip-serve-logs")
        yield running
    finally:
        for part in reversed(list(running.parts)):
            running.kill(part)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for_port(running: Deployment, port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        running.check()
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port}")
