"""A DAG of sensors that end in every way there is; the tests say which task of the sandbox is in which state.

Not a test: ``test_in_airflow`` runs it once and looks at what has become of its tasks.
"""

from __future__ import annotations

import os
from datetime import timedelta

import airflow
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor

EXPORTED, FAILED, STUCK, LATE = os.environ["CHECKNUMBER_TEST_TASKS"].split(",")

with DAG("waits", schedule=None, default_args={"retries": 1, "retry_delay": timedelta(0)}):
    for mode in ("poke", "reschedule", "deferrable"):

        def wait(name: str, checknumber_task_id: str, mode: str = mode, **arguments: object) -> None:
            how = {"deferrable": True} if mode == "deferrable" else {"deferrable": False, "mode": mode}
            CheckNumberTaskSensor(
                task_id=f"{name}.{mode}",
                checknumber_task_id=checknumber_task_id,
                **{"poke_interval": 0.1, **how, **arguments},
            )

        wait("exported", EXPORTED)
        wait("timeout", STUCK, timeout=0.5)
        if mode == "reschedule":
            continue  # It fails as poking does, and its execution_timeout is the time in a worker alone.
        wait("failed", FAILED)
        wait("failed_soft", FAILED, soft_fail=True)
        if airflow.__version__ >= "3":  # It ends `dags test` of Airflow 2 as a whole.
            # It is to strike between two pokes: during one, soft_fail would skip.
            soon = {"execution_timeout": timedelta(seconds=1), "poke_interval": 60}
            wait("execution_timeout", STUCK, soft_fail=True, **soon)
    CheckNumberTaskSensor(task_id="late.default", checknumber_task_id=LATE, poke_interval=0.1)
    CheckNumberTaskSensor(
        task_id="exported.triggerer",
        checknumber_task_id=EXPORTED,
        poke_interval=0.1,
        start_from_trigger=True,
        end_from_trigger=True,
    )
