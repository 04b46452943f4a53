"""A DAG that submits many lists, waits for all of them without a worker, and has other work meanwhile.

Not a benchmark: ``standalone`` lets a whole Airflow run it.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, chain, task

from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor

SENSORS = int(os.environ["CHECKNUMBER_BENCHMARK_SENSORS"])
PROBES = 5

with DAG("standalone", schedule="@once", is_paused_upon_creation=False):

    @task
    def submit() -> list[str]:
        """Submit lists of different lengths, which take the sandbox differently long."""
        hook = CheckNumberHook()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "numbers.txt"
            ids = []
            for each in range(SENSORS):
                file.write_text("".join(f"+1202555{line:04}\n" for line in range(each % 60 + 1)))
                ids.append(hook.submit_task(file, "Twitter").task_id)
            return ids

    @task
    def probe() -> None:
        """Take the worker slot for a while."""
        time.sleep(5)

    submitted = submit()
    CheckNumberTaskSensor.partial(
        task_id="wait", start_from_trigger=True, end_from_trigger=True, timeout=timedelta(hours=1)
    ).expand(checknumber_task_id=submitted)
    chain(submitted, *(probe.override(task_id=f"probe_{number}")() for number in range(1, PROBES + 1)))
