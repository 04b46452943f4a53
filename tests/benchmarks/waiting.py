"""What does waiting cost a triggerer? CPU, memory, blocked time and connections, for many waits at once.

``python -m tests.benchmarks.waiting --triggers 10000 [--json]`` lets that many triggers wait in one event loop
of Airflow's own trigger runner against a sandbox with TLS in another process, and then as many
``HttpSensorTrigger`` of the http provider, which ask as often. Airflow's own share (its bookkeeping for as many
triggers that ask nothing) is measured too, shown, and taken off the CPU. How long the event loop stands still is
shown as it is, and without Python's garbage collection, which walks all that Airflow holds whatever the triggers
do. Airflow 3.3, Linux, about twelve minutes.

Exits with 1 where a target is missed. Timings are only good on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi

from airflow_provider_checknumber.client import CheckNumberClient, Endpoint
from airflow_provider_checknumber.client.async_client import MAX_CONNECTIONS
from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow
from tests.support.certificates import self_signed

KEY = "benchmark"
OURS, THEIRS, IDLE = "CheckNumberTaskTrigger", "HttpSensorTrigger", "(asks nothing)"

MAX_CPU_RATIO, MAX_KB, MAX_BLOCK_MS = 0.25, 24.0, 200.0


@contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, str]]:
    """Run a sandbox with TLS in another process; yield its url, its certificate and a task without an end."""
    certificate = self_signed(folder / "certificate.pem")
    # Among all the authorities that a deployment trusts, which take their time to load.
    trusted = folder / "trusted.pem"
    trusted.write_bytes(Path(certifi.where()).read_bytes() + certificate.read_bytes())
    command = [sys.executable, "-m", "airflow_provider_checknumber.sandbox", "--port=0", f"--api-key={KEY}"]
    command += ["--speed=0.001", f"--tls-cert={certificate}", f"--tls-key={certificate}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            os.environ["REQUESTS_CA_BUNDLE"] = str(trusted)
            numbers = folder / "numbers.txt"
            numbers.write_text("+12025550100\n+12025550101\n")
            with CheckNumberClient(Endpoint(url, KEY)) as client:
                task_id = client.submit_task(numbers, "Twitter").task_id
            yield {"url": url, "trusted": str(trusted), "task_id": task_id}
        finally:
            process.terminate()


def trigger(kind: str, task_id: str, interval: float) -> tuple[str, dict[str, Any]]:
    """Return class and arguments of a trigger that asks every ``interval`` seconds and never fires."""
    if kind == OURS:
        return "airflow_provider_checknumber.triggers.checknumber.CheckNumberTaskTrigger", {
            "checknumber_task_id": task_id,
            "checknumber_conn_id": "benchmark",
            "poke_interval": interval,
            "max_poke_interval": interval,
            "started_at": datetime.now(UTC).isoformat(),
            "timeout": 86_400.0,
        }
    if kind == THEIRS:  # It fires on every answer but a 404, so it asks for a task that there is not.
        return "airflow.providers.http.triggers.http.HttpSensorTrigger", {
            "http_conn_id": "benchmark_http",
            "method": "POST",
            "endpoint": "v1/gettasks",
            "data": {"task_id": "unknown"},
            "headers": {"X-API-Key": KEY},
            "poke_interval": interval,
        }
    return "tests.benchmarks._triggerer.IdleTrigger", {}


def measure(kind: str, *, triggers: int, interval: float, window: float) -> dict[str, Any]:
    """Let triggers of one kind wait and return what was measured, in seconds and bytes."""
    with tempfile.TemporaryDirectory(prefix="checknumber-benchmark-") as name, sandbox(Path(name)) as service:
        folder, url = Path(name), service["url"]
        classpath, kwargs = trigger(kind, service["task_id"], interval)
        settings = {
            "triggers": triggers,
            "interval": interval,
            "window": window,
            "classpath": classpath,
            "kwargs": kwargs,
            "url": url,
            "trusted": service["trusted"],
            "result": str(folder / "result.json"),
        }
        airflow = PrivateAirflow(
            folder,
            dags_folder=folder,
            connections={
                "benchmark": json.dumps({"conn_type": "checknumber", "host": url, "password": KEY}),
                "benchmark_http": json.dumps({"conn_type": "http", "host": url}),
            },
            settings={
                "CHECKNUMBER_BENCHMARK": json.dumps(settings),
                "SSL_CERT_FILE": service["trusted"],
                "REQUESTS_CA_BUNDLE": service["trusted"],
            },
        )
        with (folder / "triggerer.log").open("wb") as log:
            status = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks._triggerer"],
                env=airflow.environment(),
                stdout=log,
                stderr=log,
                check=False,
            ).returncode
        if not (folder / "result.json").exists():
            tail = (folder / "triggerer.log").read_text(errors="replace")[-3_000:]
            raise SystemExit(f"The trigger runner ended with status {status}:\n{tail}")
        return json.loads((folder / "result.json").read_text())  # type: ignore[no-any-return]


def compare(triggers: int, *, interval: float, window: float) -> list[dict[str, Any]]:
    """Measure as many waits of each kind; return the rows of the table."""

    def run(kind: str) -> dict[str, Any]:
        print(f"{triggers:,} times {kind} …", file=sys.stderr, flush=True)
        return measure(kind, triggers=triggers, interval=interval if kind != IDLE else 0.0, window=window)

    idle = run(IDLE)
    return [row(IDLE, idle, idle), *(row(kind, run(kind), idle) for kind in (THEIRS, OURS))]


def row(kind: str, measured: dict[str, Any], idle: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table: what is measured, with Airflow's own CPU taken off."""
    own = idle["cpu_seconds"] / idle["seconds"] * measured["seconds"]
    polls = measured["polls"]
    return {
        "trigger": kind,
        "triggers": measured["triggers"],
        "polls": polls,
        "cpu_per_poll_us": round((measured["cpu_seconds"] - own) / polls * 1e6) if polls else None,
        "cpu_share": round(measured["cpu_seconds"] / measured["seconds"], 3),
        "memory_per_trigger_kb": round(measured["memory_per_trigger"] / 1024, 1),
        "longest_block_ms": round(measured["longest_block"] * 1e3),
        "longest_block_but_gc_ms": round(measured["longest_block_by_triggers"] * 1e3),
        "connections_opened": measured["connections_opened"],
    }


def judge(rows: Sequence[dict[str, Any]]) -> tuple[float, dict[str, bool]]:
    """Return the CPU of a poll as a share of the other kind's, and the targets."""
    _, theirs, ours = rows
    ratio = ours["cpu_per_poll_us"] / theirs["cpu_per_poll_us"]
    return ratio, {
        f"CPU per poll at most a quarter of {THEIRS}'s": ratio <= MAX_CPU_RATIO,
        f"at most {MAX_KB:.0f} KB a trigger, with Airflow's own": ours["memory_per_trigger_kb"] <= MAX_KB,
        f"no loop block above {MAX_BLOCK_MS:.0f} ms, but for garbage collection": (
            ours["longest_block_but_gc_ms"] <= MAX_BLOCK_MS
        ),
        # One more for the task that is waited for, and two for looking at the sandbox.
        f"at most {MAX_CONNECTIONS} connections at a time": ours["connections_opened"] <= MAX_CONNECTIONS + 3,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--triggers", type=int, default=10_000)
    parser.add_argument(
        "--interval", type=float, default=60.0, help="seconds between two questions of a trigger"
    )
    parser.add_argument("--window", type=float, default=60.0, help="seconds for which CPU is measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    rows = compare(options.triggers, interval=options.interval, window=options.window)
    ratio, targets = judge(rows)
    result = {
        "triggers": options.triggers,
        "interval_seconds": options.interval,
        "cpu_ratio": round(ratio, 3),
        "rows": rows,
        "targets": targets,
        "met": all(targets.values()),
    }
    print(json.dumps(result) if options.json else table(result))
    return 0 if result["met"] else 1


def table(result: dict[str, Any]) -> str:
    """Return the result for a person to read."""
    lines = [
        f"Triggers in one event loop, each asking every {result['interval_seconds']:.0f} s over TLS",
        f"{'':<24}{'triggers':>9}{'polls':>8}{'CPU/poll':>11}{'a core':>8}{'memory':>10}{'block':>9}{'but GC':>10}"
        f"{'connections':>13}",
    ]
    for each in result["rows"]:
        cpu = "" if each["cpu_per_poll_us"] is None else f"{each['cpu_per_poll_us']:,} µs"
        lines.append(
            f"{each['trigger']:<24}{each['triggers']:>9,}{each['polls']:>8,}{cpu:>11}{each['cpu_share']:>8.0%}"
            f"{each['memory_per_trigger_kb']:>7.1f} KB{each['longest_block_ms']:>6} ms"
            f"{each['longest_block_but_gc_ms']:>7} ms{each['connections_opened']:>13,}"
        )
    lines.append(f"CPU per poll: {result['cpu_ratio']:.1%} of {THEIRS}'s")
    lines += [f"{'met' if met else 'MISSED':<7} {target}" for target, met in result["targets"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
