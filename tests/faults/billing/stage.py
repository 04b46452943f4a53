"""Runs scenarios side by side in one Airflow, each against a sandbox of its own, and tells how they ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import AirflowCommandError
from tests.faults.billing.points import FOLDER
from tests.faults.billing.scenarios import LOADED, UNKNOWN, Scenario, lose_triggerer
from tests.faults.gate import Gate
from tests.support.certificates import self_signed
from tests.support.deployment import Deployment
from tests.support.postgres import Postgres

NUMBERS = [f"+12025550{index:03}" for index in range(200)]

#: What somebody on call has to find in a log, see ``submit_once``.
_MESSAGE = re.compile(r"It is unknown whether 200 numbers")
_COMMAND = re.compile(r"airflow (variables set checknumber_submission_[0-9a-f]+) ")

#: Seconds between two looks at everything.
_TICK = 0.5


@dataclass(frozen=True)
class Row:
    """How a scenario ended; ``outcome`` is neither ``loaded`` nor ``unknown`` where something is wrong."""

    scenario: Scenario
    outcome: str
    charges: int

    @property
    def as_expected(self) -> bool:
        return (self.outcome, self.charges) == (self.scenario.expected, self.scenario.charges)


@dataclass
class Triggerers:
    """The triggerers of a deployment: which one it is, and who wants it to be killed."""

    number: int = 1
    wanted: set[str] = field(default_factory=set)


class Stage:
    """One scenario while it runs."""

    def __init__(
        self, scenario: Scenario, sandbox: Sandbox, gate: Gate | None, folder: Path, triggerers: Triggerers
    ) -> None:
        self.scenario = scenario
        self.sandbox = sandbox
        self.triggerers = triggerers
        self._gate = gate
        self._folder = folder
        self._deployment: Deployment | None = None
        self._script: Iterator[None] | None = None
        self._broken: str | None = None

    @property
    def connections(self) -> dict[str, str]:
        """The Airflow connections to its service and to its warehouse."""
        url = self.sandbox.url
        if self._gate is not None:
            url = f"{'https' if self.scenario.tls else 'http'}://127.0.0.1:{self._gate.port}"
        elif self.scenario.lose_name:
            url = url.replace("127.0.0.1", "localhost")
        service = {"conn_type": "checknumber", "host": url, "password": self.sandbox.api_key}
        return {
            f"service_{self.scenario.dag_id}": json.dumps({**service, "extra": self.scenario.extra}),
            f"warehouse_{self.scenario.dag_id}": json.dumps(
                {"conn_type": "sqlite", "host": str(self._folder / "warehouse.db")}
            ),
        }

    def begin(self, running: Deployment) -> None:
        """Begin with the scenario's script; Airflow begins with its DAG."""
        self._deployment = running
        self._script = self.scenario.script(self) if self.scenario.script else iter(())

    def over(self) -> bool:
        """Go on with the script as far as it can go now, and return whether all has come to its end."""
        assert self._script is not None
        try:
            if next(self._script, self) is not self:
                return False
        except AirflowCommandError as error:
            self._broken = "\n".join([str(error), *error.tail])
        return self._broken is not None or self.ended()

    # What scripts ask and do.

    def ended(self) -> bool:
        """Whether the DAG run has ended, one way or the other."""
        return self._states().get("") in ("success", "failed")

    def holding(self) -> bool:
        """Whether the service has accepted the numbers and holds back its answer."""
        state = self.sandbox.state()
        return bool(state["charges"]) and any(fault["waiting"] for fault in state["faults"])

    def asked(self) -> bool:
        """Whether the service has been asked for the task."""
        return self.sandbox.state()["calls"].get("gettasks", 0) > 0

    def accepted_task(self) -> str:
        """The id that somebody would find in the service's dashboard."""
        (task,) = self.sandbox.state()["tasks"]
        return str(task["task_id"])

    def deferred(self) -> bool:
        return self._states().get(self.scenario.waiter) == "deferred"

    def pid(self, task_id: str) -> int:
        """The process in which the task runs, or ran last."""
        return int((self._folder / f"{task_id}.pid").read_text())

    def kill(self, task_id: str) -> int:
        pid = self.pid(task_id)
        os.kill(pid, signal.SIGKILL)
        return pid

    def open_gate(self) -> None:
        assert self._gate is not None
        self._gate.open()

    def log(self, task_id: str) -> str:
        assert self._deployment is not None
        return self._deployment.log(self.scenario.dag_id, task_id)

    def stopped_as_unknown(self) -> bool:
        """Whether the DAG run ended as failed, by a task that told what is unknown and how to go on."""
        if self._states().get("") != "failed":
            return False
        log = self.log("submit")
        return _MESSAGE.search(log) is not None and _COMMAND.search(log) is not None

    def follow(self, instruction: str) -> Iterator[None]:
        """Run the command in the task's message with the instruction in its place, and clear the DAG run."""
        found = _COMMAND.search(self.log("submit"))
        assert found, "the log names no command"
        yield from self._airflow(*found[1].split(), instruction)
        yield from self.clear()

    def clear(self) -> Iterator[None]:
        """Clear all tasks of the DAG run."""
        yield from self._airflow("tasks", "clear", "--yes", self.scenario.dag_id)

    def _airflow(self, *arguments: str) -> Iterator[None]:
        """Run a command of Airflow's while the other scenarios go on."""
        assert self._deployment is not None
        with ThreadPoolExecutor(1) as thread:
            command = thread.submit(self._deployment.airflow.run, *arguments)
            while not command.done():
                yield
            lines = command.result()
        with (self._folder / "commands.log").open("a") as file:
            file.write("\n".join([" ".join(arguments), *lines, ""]))

    # How it ended.

    def row(self) -> Row:
        return Row(self.scenario, self._outcome(), len(self.sandbox.state()["charges"]))

    def _outcome(self) -> str:
        if self._broken is not None:
            return self._broken
        states = self._states()
        if states.get("") == "success":
            return LOADED if self._loaded() else "ended in success without the rows"
        if self.stopped_as_unknown():
            return UNKNOWN
        return f"stopped otherwise: {states}"

    def _loaded(self) -> bool:
        """Whether the table holds every number once, with the answer of the task that was billed."""
        task_ids = {task["task_id"] for task in self.sandbox.state()["tasks"]}
        with contextlib.closing(sqlite3.connect(self._folder / "warehouse.db")) as connection:
            rows = connection.execute("SELECT number, checknumber_task_id FROM checks").fetchall()
        return (
            sorted(number for number, _ in rows) == NUMBERS and {task_id for _, task_id in rows} == task_ids
        )

    def _states(self) -> dict[str, str | None]:
        assert self._deployment is not None
        return self._deployment.states(self.scenario.dag_id)


def play(
    scenarios: Iterable[Scenario],
    *,
    folder: Path,
    database: Postgres,
    python: str,
    airflow: str,
    timeout: float,
    say: Callable[[str], None],
) -> list[Row]:
    """
    Run scenarios side by side in a new Airflow, and return how each has ended.

    :param folder: for everything that is written.
    :param database: empty, for Airflow's metadata.
    :param python: the interpreter with the Airflow.
    :param airflow: its version, e.g. ``2.11``.
    :param timeout: seconds for all of them.
    :param say: is told what goes on.
    """
    with contextlib.ExitStack() as stack:
        triggerers = Triggerers()
        certificate = self_signed(_made(folder / "certificates") / "service.pem")
        stages = [
            _set_up(scenario, stack, _made(folder / "faults" / scenario.dag_id), certificate, triggerers)
            for scenario in scenarios
        ]
        (folder / "faults" / "chosen.json").write_text(json.dumps([each.scenario.dag_id for each in stages]))
        running = stack.enter_context(
            Deployment(
                folder / "airflow",
                database=database,
                dag_files=[Path(__file__).with_name("dags.py")],
                connections={name: value for each in stages for name, value in each.connections.items()},
                settings={FOLDER: str(folder / "faults"), "REQUESTS_CA_BUNDLE": str(certificate)},
                python=python,
            )
        )
        running.start_all(apps="execution", major=int(airflow.split(".")[0]))
        say(f"Airflow {airflow} is up.")
        for each in stages:
            each.begin(running)
        return _watch(stages, running, triggerers, timeout=timeout, say=say)


def _set_up(
    scenario: Scenario,
    stack: contextlib.ExitStack,
    folder: Path,
    certificate: Path,
    triggerers: Triggerers,
) -> Stage:
    (folder / "numbers.txt").write_text("\n".join(NUMBERS))
    tls = {"tls_cert": certificate, "tls_key": certificate} if scenario.tls else {}
    sandbox = stack.enter_context(Sandbox(speed=float("inf"), queue_seconds=0, undetermined=0, **tls))
    for fault in scenario.faults:
        sandbox.set_fault(**fault)
    gate = None
    if scenario.gate is not None:
        untrusted = self_signed(folder / "untrusted.pem")
        port = int(sandbox.url.rpartition(":")[2])
        gate = stack.enter_context(Gate(port, scenario.gate, certificate=untrusted))
    return Stage(scenario, sandbox, gate, folder, triggerers)


def _watch(
    stages: list[Stage],
    running: Deployment,
    triggerers: Triggerers,
    *,
    timeout: float,
    say: Callable[[str], None],
) -> list[Row]:
    deadline = time.monotonic() + timeout
    left = list(stages)
    wanting = {each.scenario.dag_id for each in stages if each.scenario.script is lose_triggerer}
    while left and time.monotonic() < deadline:
        running.check()
        for each in [each for each in left if each.over()]:
            left.remove(each)
            row = each.row()
            say(f"{row.scenario.fault}: {row.outcome}, {row.charges} charged")
        if wanting and triggerers.wanted == wanting:
            say("The triggerer is killed, and another started.")
            running.kill("triggerer")
            running.start("triggerer", "--skip-serve-logs")
            triggerers.number, wanting = triggerers.number + 1, set()
        time.sleep(_TICK)
    return [each.row() for each in stages]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
