"""``checknumber-demo``: the whole pipeline on this machine, with real Airflow and a stand-in of the service.

Starts a sandbox, makes up a list of numbers, runs the example DAG in an Airflow of its own, and shows the
table. The exit status is 0 only if every submitted number is in it. Not a test and not a template: the DAG in
``example_dags/`` is what to copy from.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import NoReturn

import airflow_provider_checknumber
from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import (
    ENDING_SIGNALS,
    AirflowCommandError,
    PrivateAirflow,
    signals_held,
)
from airflow_provider_checknumber.sandbox.demo_numbers import made_up_numbers
from airflow_provider_checknumber.sandbox.demo_table import ResultTable

#: Seconds that the sandbox takes for a list of any length: long enough to see the DAG wait.
_SERVICE_SECONDS = 7.0
#: Seconds that the whole demo may take, of which the DAG run gets what is left.
_LONGEST = 600.0
_MOST_NUMBERS = 10_000_000


@dataclass(frozen=True)
class Example:
    """An example DAG and what it reads and writes."""

    dag_id: str
    service: str
    connection: str
    table: str
    column: str


EXAMPLES = {
    "checknumber": Example(
        "example_checknumber_twitter", "CheckNumber", "checknumber_default", "twitter_accounts", "twitter"
    ),
    "ekycpro": Example("example_ekycpro_htx", "eKYC Pro", "ekycpro_default", "htx_accounts", "htx"),
}


class DemoError(Exception):
    """The demo cannot go on; the message is one sentence for the person who started it."""


class Stopped(BaseException):
    """A signal asked the demo to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    :param arguments: the words after the command's name; by default the process's own.
    """
    options = _parser().parse_args(arguments)
    with _signals_stop():
        try:
            complete = _demonstrate(EXAMPLES[options.service], options.service, options.numbers, options.keep)
        except Stopped as stopped:
            _say("\nStopped." if options.keep else "\nStopped; nothing is left behind.")
            return stopped.status
        except AirflowCommandError as error:
            _complain(f"{error}; the end of what it said:", *(f"    {line}" for line in error.tail))
            return 1
        except (DemoError, OSError) as error:
            _complain(str(error))
            return 1
    return 0 if complete else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="checknumber-demo",
        description="Check made-up phone numbers with a stand-in of the service and real Airflow, on this "
        "machine alone: no account, no cost, no network.",
    )
    parser.add_argument(
        "--service", choices=EXAMPLES, default="checknumber", help="which service (default: %(default)s)"
    )
    parser.add_argument(
        "--numbers", type=_count, default=2_000, metavar="N", help="how many numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the folder with the numbers, the table and Airflow's logs"
    )
    return parser


def _count(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= _MOST_NUMBERS:
        raise argparse.ArgumentTypeError(f"{word} is no whole number from 1 to {_MOST_NUMBERS:,}")
    return int(word)


def _demonstrate(example: Example, service: str, count: int, keep: bool) -> bool:
    """Run the demo and return whether every number reached the table."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        _step(1, "The service", f"a stand-in of {example.service}")
        speed = count / _SERVICE_SECONDS
        with signals_held():
            folder = stack.enter_context(_folder(keep))
            sandbox = stack.enter_context(Sandbox(service=service, speed=speed, max_batch=_MOST_NUMBERS))
        _detail(f"listens on {sandbox.url}; nothing leaves this machine and nothing is billed")

        _step(2, "The numbers", f"{count:,}, made up")
        numbers = folder / "numbers.txt"
        with numbers.open("w", encoding="ascii") as file:
            file.writelines(f"{number}\n" for number in made_up_numbers(count))

        warehouse = folder / "warehouse.db"
        airflow = _airflow(folder / "airflow", example, sandbox, warehouse)
        _step(3, "Airflow", f"{version('apache-airflow')}, with a home and a metadata database of its own")
        airflow.migrate()

        _step(4, "The DAG", f"{example.dag_id}: submit, wait, load")
        left = _LONGEST - (time.monotonic() - began)
        _run(airflow, example, numbers, log=folder / "airflow.log", timeout=left)

        _step(5, "The table", f"{example.table}, in SQLite")
        table = ResultTable(warehouse, example.table)
        for line in table.summary(example.column):
            _detail(line)
        missing = table.count_missing(numbers)
        seconds = time.monotonic() - began
        if missing:
            _complain(f"{missing:,} of {count:,} submitted numbers are not in the table.")
        else:
            _say(f"\nAll {count:,} submitted numbers are in the table, after {seconds:.0f} s.")
    return missing == 0


@contextlib.contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    """Make the demo's folder and remove it at the end, whatever the end is, unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="checknumber-demo-"))
    try:
        yield folder
    finally:
        if keep:
            _say(
                f"\nKept: {folder}",
                "    numbers.txt    the list that was submitted",
                "    warehouse.db   the SQLite database with the table",
                "    airflow.log    what Airflow said",
                "    airflow/       its AIRFLOW_HOME",
            )
        else:
            with signals_held():
                shutil.rmtree(folder, ignore_errors=True)


def _airflow(home: Path, example: Example, sandbox: Sandbox, warehouse: Path) -> PrivateAirflow:
    """Make an Airflow that knows one DAG and the two connections which that DAG names."""
    dags = home / "dags"
    dags.mkdir(parents=True)
    shutil.copy(_example_file(example), dags)
    return PrivateAirflow(
        home,
        dags_folder=dags,
        connections={
            example.connection: sandbox.connection_json,
            "warehouse": json.dumps({"conn_type": "sqlite", "host": str(warehouse)}),
        },
        settings={"AIRFLOW__LOGGING__LOG_FORMAT": _LOG_FORMAT},
    )


def _example_file(example: Example) -> Path:
    package = Path(airflow_provider_checknumber.__file__).parent
    # A wheel brings the examples inside the package; a checkout has them beside it.
    for folder in (package / "example_dags", package.parent / "example_dags"):
        file = folder / f"{example.dag_id}.py"
        if file.is_file():
            return file
    raise DemoError(
        f"{example.dag_id}.py is not installed: install the package from its wheel or a checkout."
    )


def _run(airflow: PrivateAirflow, example: Example, numbers: Path, *, log: Path, timeout: float) -> None:
    """Run the DAG, telling what the provider's own log lines say while they appear."""
    told = None
    with log.open("w", encoding="utf-8") as file:

        def on_line(line: str) -> None:
            nonlocal told
            file.write(f"{line}\n")
            # Airflow 2 prints some lines twice.
            if (news := _news(line)) and news != told:
                _detail(news)
                told = news

        conf = {"number_file": str(numbers), "table": example.table}
        airflow.test_dag(example.dag_id, conf=conf, timeout=timeout, on_line=on_line)


# Airflow 3 ends a line with its logger by default; where the format is heeded, this makes Airflow 2 do so too.
_LOG_FORMAT = "%(asctime)s [%(levelname)s] %(message)s [%(name)s]"
_PROVIDER_SAYS = re.compile(r"\] (?P<message>\S.*?) +\[[^\]]*\bairflow_provider_checknumber\b[^\]]*\]")
_TASK_STARTS = re.compile(r"\[DAG TEST\] starting task_id=(\w+)")
_TRIGGER_STARTS = re.compile(r"\[DAG TEST\] running trigger in line")


def _news(line: str) -> str | None:
    """Return what a line of Airflow's output tells about the pipeline, or None."""
    if match := _TASK_STARTS.search(line):
        return f"task {match[1]}"
    if _TRIGGER_STARTS.search(line):
        return "    deferred: from here on the triggerer waits, and no worker"
    if match := _PROVIDER_SAYS.search(line):
        return f"    {match['message']}"
    return None


@contextlib.contextmanager
def _signals_stop() -> Iterator[None]:
    """Turn the signals that end a program into :class:`Stopped`, so that the demo tidies up first."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        # A second Ctrl-C must not interrupt the tidying up.
        for each in ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = [(each, signal.signal(each, stop)) for each in ENDING_SIGNALS]
    try:
        yield
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def _step(number: int, what: str, how: str) -> None:
    _say(f"{number}/5  {what}: {how}")


def _detail(line: str) -> None:
    _say(f"     {line}")


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def _complain(*lines: str) -> None:
    print(f"checknumber-demo: {lines[0]}", *lines[1:], sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
