"""``uv run python -m tests.faults.billing``: every fault, on Airflow 3.3 and 2.11, as a table.

Takes a few minutes for each version. Exit status 1 where anything was billed twice, or where a DAG run ended
other than with its rows loaded or with the message that says what is unknown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from airflow_provider_checknumber.sandbox.demo_airflow import AirflowCommandError
from tests.faults.billing.scenarios import LOADED, SCENARIOS, UNKNOWN
from tests.faults.billing.stage import Row, play
from tests.faults.versions import python_with_airflow
from tests.support.postgres import postgres_server

#: Run unless told otherwise: the newest, which has a place for such records, and the oldest, which has not.
VERSIONS = ("3.3", "2.11")
#: Not 3.0, which does not retry a task whose process was killed.
KNOWN_VERSIONS = ("2.11", "3.1", "3.2", "3.3")


def main() -> int:
    """Run what the command line asks for, print the table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.billing", description=__doc__)
    parser.add_argument(
        "--airflow", choices=KNOWN_VERSIONS, action="append", help="only this version of Airflow"
    )
    parser.add_argument("--only", metavar="NAME", action="append", choices=SCENARIOS, help="only this fault")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one version (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and databases there")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last on standard output")
    arguments = parser.parse_args()
    rows = [
        (version, row)
        for version in arguments.airflow or VERSIONS
        for row in run(version, arguments.only or list(SCENARIOS), arguments.timeout, arguments.keep)
    ]
    print(as_json(rows) if arguments.json else as_table(rows))
    return 0 if all(row.charges <= 1 and row.outcome in (LOADED, UNKNOWN) for _, row in rows) else 1


def run(version: str, names: list[str], timeout: float, keep: Path | None) -> list[Row]:
    """Run the scenarios on one version of Airflow."""
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"[{version} {time.monotonic() - began:4.0f} s] {words}", file=sys.stderr, flush=True)

    folder = Path(tempfile.mkdtemp(prefix="checknumber-faults-"))
    try:
        say("Preparing Airflow.")
        python = python_with_airflow(version, folder / "environment")
        with postgres_server() as database:
            return play(
                [SCENARIOS[name] for name in names],
                folder=folder / "run",
                database=database,
                python=python,
                airflow=version,
                timeout=timeout,
                say=say,
            )
    except AirflowCommandError as error:
        sys.exit("\n".join([*error.tail, str(error)]))
    finally:
        if keep is not None and (folder / "run").exists():
            shutil.copytree(folder / "run", keep / version, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def as_json(rows: list[tuple[str, Row]]) -> str:
    """Return the rows as one JSON object."""
    return json.dumps(
        {
            "rows": [
                {
                    "fault": row.scenario.fault,
                    "airflow": version,
                    "outcome": row.outcome,
                    "charges": row.charges,
                }
                for version, row in rows
            ]
        }
    )


def as_table(rows: list[tuple[str, Row]]) -> str:
    """Return the rows for people; a mark shows what was not expected."""
    width = max(len(row.scenario.fault) for _, row in rows)
    lines = [f"{'fault':{width}}  airflow  outcome  charges"]
    lines += [
        f"{row.scenario.fault:{width}}  {version:7}  {row.outcome:7}  {row.charges:7}"
        + ("" if row.as_expected else f"   (expected {row.scenario.expected}, {row.scenario.charges})")
        for version, row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
