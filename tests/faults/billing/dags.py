"""One DAG for each scenario that was chosen: submit >> wait >> load. Read by Airflow, started by its scheduler."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator
from tests.faults.billing.points import FOLDER, Worker, folder
from tests.faults.billing.scenarios import SCENARIOS, Scenario


def make_dag(scenario: Scenario) -> DAG:
    service = f"service_{scenario.dag_id}"
    with DAG(
        scenario.dag_id,
        schedule="@once",
        start_date=datetime(2025, 1, 1),
        catchup=False,
        is_paused_upon_creation=False,
        default_args={
            "retries": 3,
            "retry_delay": timedelta(seconds=1),
            "checknumber_conn_id": service,
        },
    ) as dag:
        submit = CheckNumberSubmitOperator(
            task_id="submit",
            number_file=str(folder(scenario.dag_id) / "numbers.txt"),
            task_type="Twitter",
            poke_interval=1.0,
            wait_for_completion=scenario.waiter == "submit",
            deferrable=scenario.deferrable,
            pre_execute=Worker(
                kill=scenario.kill, lose_name=scenario.lose_name, lose_record=scenario.lose_record
            ),
        )
        checknumber_task_id = submit.output
        if scenario.waiter == "wait":
            wait = CheckNumberTaskSensor(
                task_id="wait",
                checknumber_task_id=checknumber_task_id,
                deferrable=scenario.deferrable,
                poke_interval=1.0,
                pre_execute=Worker(),
            )
            checknumber_task_id = wait.output
        CheckNumberToSqlOperator(
            task_id="load",
            checknumber_task_id=checknumber_task_id,
            sql_conn_id=f"warehouse_{scenario.dag_id}",
            table="checks",
            create_table=True,
        )
    return dag


chosen = json.loads(Path(os.environ[FOLDER], "chosen.json").read_text())
for dag_id in chosen:
    globals()[dag_id] = make_dag(SCENARIOS[dag_id])
