"""A whole Airflow on this machine: its parts as processes of their own, PostgreSQL behind them.

For tests that need a scheduler, workers that can be killed and a triggerer that can be restarted, on
whichever version of Airflow the given interpreter has. What a DAG can show without a scheduler is
quicker with ``tests.support.airflow_home``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import psycopg
import requests

from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow, signals_held
from tests.support.postgres import Postgres

REPOSITORY = Path(__file__).parents[2]

_SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "6",
    # On a busy machine a worker may wait long for the API server, and a scheduler that lags behind fails a task
    # that is resumed before it knows of its deferral.
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    # Before a triggerer that was killed is taken for dead, and its triggers go to another.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    "AIRFLOW__WEBSERVER__WARN_DEPLOYMENT_EXPOSURE": "False",
}

#: What its processes import at once, so that not every task has to.
_PRELOADED = ("operators.checknumber", "sensors.checknumber", "transfers.checknumber_to_sql")


class Deployment:
    """
    An Airflow whose parts are started and killed one by one.

    :param home: a folder for everything it writes; made here.
    :param database: its metadata database.
    :param dag_files: the only files of the DAGs folder.
    :param connections: connection id to connection, as JSON.
    :param settings: further environment variables of its processes.
    :param python: the interpreter whose Airflow is run.
    """

    def __init__(
        self,
        home: Path,
        *,
        database: Postgres,
        dag_files: Iterable[Path],
        connections: Mapping[str, str],
        settings: Mapping[str, str],
        python: str = sys.executable,
    ) -> None:
        self.database = database
        self._port = free_port()
        self._dag_files = list(dag_files)
        self._connections = connections
        self._settings = {
            **_SETTINGS,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.sqlalchemy_url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self._port}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "PYTHONPATH": str(REPOSITORY),
            **settings,
        }
        self._python = python
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self.airflow = self.machine(home)

    def __enter__(self) -> Deployment:
        """Migrate the database."""
        self.airflow.migrate()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill every part with all that it has started."""
        with signals_held():
            while self._parts:
                _kill(self._parts.popitem()[1])

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def logs(self) -> Path:
        """The folder of the tasks' logs."""
        return self.airflow.home / "logs"

    def machine(self, home: Path, settings: Mapping[str, str] | None = None) -> PrivateAirflow:
        """
        Return an Airflow of this deployment that shares no folder with the others, as on a machine of its own.

        :param home: made here.
        :param settings: further environment variables of its processes alone.
        """
        dags = home / "dags"
        dags.mkdir(parents=True)
        for file in self._dag_files:
            shutil.copy(file, dags)
        (home / "config").mkdir()
        (home / "config" / "airflow_local_settings.py").write_text(
            "".join(f"import airflow_provider_checknumber.{name}\n" for name in _PRELOADED)
        )
        return PrivateAirflow(
            home,
            dags_folder=dags,
            connections=self._connections,
            settings={**self._settings, **(settings or {})},
            python=self._python,
        )

    def start(self, part: str, *arguments: str, machine: PrivateAirflow | None = None) -> None:
        """Start ``airflow part`` on a machine, the first one by default; it prints into the home's ``part.log``."""
        airflow = machine or self.airflow
        log = airflow.home / f"{part}.log"
        with log.open("ab") as output, signals_held():
            self._parts[str(log)] = subprocess.Popen(
                [airflow.python, "-m", "airflow", part, *arguments],
                env=airflow.environment(),
                cwd=airflow.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_all(self, *, apps: str = "all", major: int = 3) -> None:
        """
        Start every part.

        :param apps: what the API server serves; ``execution`` is all that tasks need.
        :param major: the major version of the Airflow.
        """
        if major >= 3:
            self.start("api-server", "--apps", apps)
            self.wait_until(self.listens)
            self.start("dag-processor")
        self.start("scheduler")
        self.start("triggerer", "--skip-serve-logs")

    def listens(self) -> bool:
        """Return whether the API server takes connections."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = 240) -> None:
        """
        Wait for something that the parts do.

        :param timeout: in seconds.
        :raises RuntimeError: a part has ended by itself; the message quotes its last words.
        :raises TimeoutError: it has not come to pass.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{getattr(condition, '__name__', condition)} is not true after {timeout:.0f} s"
                )
            time.sleep(0.2)

    def kill(self, part: str, *, machine: PrivateAirflow | None = None) -> None:
        """Kill a part with all that it has started, as a machine that loses power would."""
        _kill(self._parts.pop(str((machine or self.airflow).home / f"{part}.log")))

    def check(self) -> None:
        """
        Make sure that every part is alive.

        :raises RuntimeError: one has ended by itself; the message quotes its last words.
        """
        for log, process in self._parts.items():
            if process.poll() is not None:
                words = Path(log).read_text(errors="replace")[-3000:]
                raise RuntimeError(f"What writes {log} has ended with status {process.returncode}:\n{words}")

    def trigger(self, dag_id: str, **conf: str) -> str:
        """Ask the API server for a run of a DAG as soon as it knows the DAG, as the UI does; return the run's id."""
        self.wait_until(lambda: self._ask("GET", f"dags/{dag_id}").ok)
        answer = self._ask("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return requests.request(method, f"{self.url}/api/v2/{path}", headers=headers, timeout=60, **arguments)

    @functools.cached_property
    def _token(self) -> str:
        """The key of whoever asks: everybody is an admin here."""
        return str(requests.get(f"{self.url}/auth/token", timeout=60).json()["access_token"])

    def states(self, dag_id: str) -> dict[str, str | None]:
        """Return the state of the DAG's only run as ``""`` and of its tasks by their names; ``{}`` before it."""
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            run = connection.execute("SELECT state FROM dag_run WHERE dag_id = %s", [dag_id]).fetchone()
            tasks = connection.execute(
                "SELECT task_id, state FROM task_instance WHERE dag_id = %s", [dag_id]
            ).fetchall()
        return {"": run[0], **dict(tasks)} if run else {}

    def ended(self, dag_id: str, *, timeout: float = 240) -> dict[str, str | None]:
        """Wait for the end of the DAG's only run, for so many seconds; return the states."""
        self.wait_until(lambda: self.states(dag_id).get("") in ("success", "failed"), timeout=timeout)
        return self.states(dag_id)

    def log(self, dag_id: str, task_id: str) -> str:
        """Return what all tries of a task have logged; a line break within a message is one, in JSON too."""
        files = sorted(self.logs.glob(f"dag_id={dag_id}/run_id=*/task_id={task_id}/*.log*"))
        text = "\n".join(file.read_text(errors="replace") for file in files)
        return text.replace("\\n", "\n").replace('\\"', '"')


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the leader of a session and all of that session, which may have outlived it."""
    process.kill()
    while family := [each for each in psutil.process_iter() if _is_alive_in(process.pid, each)]:
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


def _is_alive_in(session: int, process: psutil.Process) -> bool:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    return False


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
