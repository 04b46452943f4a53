"""Do five hundred waits leave the only worker slot free? In a whole Airflow, started and stopped here.

``python -m tests.benchmarks.standalone --sensors 500 [--json]`` starts ``airflow standalone`` in a home and on
ports of its own, with one worker slot, and a sandbox. A DAG submits as many lists, waits for all of them at once
with sensors that start and end in the triggerer, and meanwhile runs other tasks, one after the other. Then it
prints what Airflow's database says of them. Airflow 3.3, about four minutes.

Exits with 1 where a wait took the worker slot or did not succeed, or where no other task ran beside the waits.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow
from tests.support.deployment import free_port

DAG_FILE = Path(__file__).with_name("_standalone_dag.py")

#: A task of the sandbox waits a minute and takes up to another one.
QUEUE_SECONDS, NUMBERS_A_SECOND = 60.0, 1.0

#: Seconds after which the run is given up.
LONGEST = 900.0


@contextmanager
def standalone(folder: Path, *, sensors: int, sandbox: Sandbox) -> Iterator[PrivateAirflow]:
    """Run ``airflow standalone`` in ``folder``; it prints into ``airflow.log`` there."""
    home = folder / "airflow"
    (home / "dags").mkdir(parents=True)
    shutil.copy(DAG_FILE, home / "dags")
    port = free_port()
    airflow = PrivateAirflow(
        home,
        dags_folder=home / "dags",
        settings={
            **sandbox.environment,
            "CHECKNUMBER_BENCHMARK_SENSORS": str(sensors),
            "AIRFLOW__CORE__PARALLELISM": "1",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            # It starts its parts as `airflow …`.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
    )
    with (folder / "airflow.log").open("w") as log, airflow.start("standalone") as process:
        threading.Thread(target=shutil.copyfileobj, args=(process.stdout, log), daemon=True).start()
        yield airflow


def instances(airflow: PrivateAirflow) -> list[dict[str, Any]]:
    """Return what the metadata database says of the DAG's task instances."""
    with closing(
        sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True, timeout=30)
    ) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute(
            "SELECT task_id, map_index, state, queued_dttm, pid, hostname, start_date, end_date "
            "FROM task_instance WHERE dag_id = 'standalone'"
        )
        return [dict(row) for row in rows]


def watch(airflow: PrivateAirflow) -> list[dict[str, Any]]:
    """Let the DAG run end, saying how it goes; return its task instances."""
    deadline, said = time.monotonic() + LONGEST, ""
    while time.monotonic() < deadline:
        time.sleep(2)
        try:
            found = instances(airflow)
        except sqlite3.OperationalError:  # Airflow is still making its database.
            continue
        states = Counter(
            f"{each['task_id'].partition('_')[0]} {each['state'] or 'not due'}" for each in found
        )
        if (saying := ", ".join(f"{count} {state}" for state, count in sorted(states.items()))) != said:
            print(f"{time.strftime('%X')} {saying}", file=sys.stderr, flush=True)
            said = saying
        if found and all(
            each["state"] in ("success", "failed", "skipped", "upstream_failed") for each in found
        ):
            return found
    raise SystemExit(f"The DAG run was not over after {LONGEST:.0f} s.")


def judge(found: Sequence[dict[str, Any]], *, sensors: int, polls: int) -> dict[str, Any]:
    """Say what became of the waits and of the other tasks."""
    waits = [each for each in found if each["task_id"] == "wait"]
    probes = [each for each in found if each["task_id"].startswith("probe")]
    # What a task has that an executor was given, or that a worker has run.
    in_worker = [each for each in waits if each["queued_dttm"] or each["pid"] or each["hostname"]]
    began, ended = (min(each["start_date"] for each in waits), max(each["end_date"] for each in waits))
    beside = {
        probe["task_id"]: sum(
            each["start_date"] <= probe["start_date"] and probe["end_date"] <= each["end_date"]
            for each in waits
        )
        for probe in probes
    }
    states = Counter(each["state"] for each in waits)
    return {
        "sensors": sensors,
        "states": dict(states),
        "polls": polls,
        "seconds": round(_seconds(began, ended)),
        "longest_wait_seconds": round(max(_seconds(each["start_date"], each["end_date"]) for each in waits)),
        "sensors_in_a_worker": len(in_worker),
        "sensors_waiting_while_a_task_ran": beside,
        "met": states == {"success": sensors}
        and not in_worker
        and all(probe["state"] == "success" for probe in probes)
        and max(beside.values()) == sensors,
    }


def _seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def report(result: dict[str, Any]) -> str:
    """Return the result for a person to read."""
    states = ", ".join(f"{count} {state}" for state, count in result["states"].items())
    beside = ", ".join(
        f"{task_id} {count}" for task_id, count in result["sensors_waiting_while_a_task_ran"].items()
    )
    return "\n".join(
        (
            f"{result['sensors']} mapped sensors in `airflow standalone` with one worker slot",
            f"  ended as            {states}",
            f"  questions           {result['polls']:,}, {result['polls'] / result['sensors']:.1f} a sensor",
            f"  seconds             {result['seconds']} for all, {result['longest_wait_seconds']} for the longest",
            f"  given to a worker   {result['sensors_in_a_worker']}",
            f"  waiting while …ran  {beside}",
            "met" if result["met"] else "MISSED",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sensors", type=int, default=500)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="checknumber-benchmark-", ignore_cleanup_errors=True) as folder,
        Sandbox(queue_seconds=QUEUE_SECONDS, speed=NUMBERS_A_SECOND) as sandbox,
        standalone(Path(folder), sensors=options.sensors, sandbox=sandbox) as airflow,
    ):
        found = watch(airflow)
        polls = sandbox.state()["calls"].get("gettasks", 0)
    result = judge(found, sensors=options.sensors, polls=polls)
    print(json.dumps(result) if options.json else report(result))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
