"""A private Airflow in one folder: its own home, settings and SQLite metadata database.

The demo and the tests run real Airflow through it, always as a subprocess: nothing here imports Airflow.
Nothing of the caller's own Airflow (home, settings, connections, secrets backend) reaches it, so it can
neither read nor change a deployment that happens to be configured in the same shell.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

#: Lines of Airflow's output that an :class:`AirflowCommandError` quotes.
TAIL_LINES = 30

#: Seconds that a stopped Airflow process has for ending by itself before it is killed.
_GRACE = 5.0

#: What a terminal, a service manager and a closed terminal send to end a program.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_SETTINGS = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    # Airflow 2.11 to 3.x would report usage to the network.
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


class AirflowCommandError(Exception):
    """An Airflow command failed or took too long; ``tail`` holds the last lines it printed."""

    def __init__(self, message: str, *, tail: list[str]) -> None:
        super().__init__(message)
        self.tail = tail


class PrivateAirflow:
    """Airflow with ``home`` as its AIRFLOW_HOME, and nothing else of the machine's Airflow.

    :param home: existing folder for everything Airflow writes.
    :param dags_folder: the folder Airflow reads DAGs from.
    :param connections: connection id to connection, as JSON or as a URI; handed over by environment variable,
        never written to disk.
    :param settings: further environment variables, such as ``AIRFLOW__CORE__PARALLELISM``.
    :param python: the interpreter whose Airflow is run; by default the caller's own.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags_folder: Path,
        connections: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        self.home = home
        self.python = str(python)
        self._own = {
            **_SETTINGS,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in (connections or {}).items()},
            **(settings or {}),
        }

    def environment(self) -> dict[str, str]:
        """Return the environment its processes run in: the caller's, with another Airflow in it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return {**inherited, **self._own}

    def migrate(self, *, timeout: float = 120) -> None:
        """Create the metadata database, which takes about six seconds.

        :param timeout: seconds after which it is stopped.
        :raises AirflowCommandError: when Airflow cannot do it.
        """
        self.run("db", "migrate", timeout=timeout)

    def test_dag(
        self,
        dag_id: str,
        *,
        conf: Mapping[str, object] | None = None,
        timeout: float = 300,
        on_line: Callable[[str], None] | None = None,
    ) -> list[str]:
        """Run a DAG once, deferred tasks included, by ``airflow dags test``; it does without a scheduler.

        :param dag_id: a DAG in the DAGs folder.
        :param conf: the run's conf; overrides the DAG's params.
        :param timeout: seconds after which the run is stopped.
        :param on_line: called with every line of output as it appears.
        :returns: the lines that Airflow printed, task logs among them.
        :raises AirflowCommandError: when the DAG run does not end in success.
        """
        arguments = ["dags", "test", dag_id]
        if conf:
            arguments += ["--conf", json.dumps(conf)]
        return self.run(*arguments, timeout=timeout, on_line=on_line)

    def run(
        self, *arguments: str, timeout: float = 300, on_line: Callable[[str], None] | None = None
    ) -> list[str]:
        """Run ``airflow`` with ``arguments`` and return the lines it printed, errors included.

        :param timeout: seconds after which it is stopped.
        :param on_line: called with every line of output as it appears.
        :raises AirflowCommandError: on a non-zero exit status, and when ``timeout`` has passed.
        """
        lines: list[str] = []
        with self.start(*arguments) as process:
            timed_out = threading.Event()

            def stop() -> None:
                timed_out.set()
                _signal_group(process, signal.SIGKILL)

            timer = threading.Timer(timeout, stop)
            try:
                timer.start()
                for line in process.stdout or ():
                    lines.append(line.rstrip("\n"))
                    if on_line is not None:
                        on_line(lines[-1])
                status = process.wait()
            finally:
                timer.cancel()
        if timed_out.is_set():
            raise self._error(arguments, f"was stopped after {timeout:.0f} seconds", lines)
        if status != 0:
            raise self._error(arguments, f"ended with status {status}", lines)
        return lines

    @contextlib.contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start ``airflow`` with ``arguments`` in a process group of its own and stop all of it on leaving.

        :returns: a context manager; its process has standard output and error in one text pipe.
        """
        process = None
        try:
            with signals_held():
                process = subprocess.Popen(
                    [self.python, "-m", "airflow", *arguments],
                    env=self.environment(),
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            yield process
        finally:
            if process is not None:
                _stop(process)

    @staticmethod
    def _error(arguments: tuple[str, ...], outcome: str, lines: list[str]) -> AirflowCommandError:
        # The third word on is data: a conf names files.
        command = " ".join(("airflow", *arguments[:3]))
        return AirflowCommandError(f"`{command}` {outcome}", tail=list(collections.deque(lines, TAIL_LINES)))


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Put off the signals that end a program until the block is done.

    A handler that raises in the middle of starting something, or of tidying up, would leave a part behind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Signal handlers run in the main thread only.
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number)) for number in ENDING_SIGNALS
    }
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, handler)
        for number in came:
            signal.raise_signal(number)


def _stop(process: subprocess.Popen[str]) -> None:
    """End the process and whatever it started, which may outlive it."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal_group(process, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
