"""
Lists of numbers as they are often kept: one for each day, one in several files, and one whose answers another
DAG waits for. Read by Airflow.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator

LISTS = "{{ var.value.lists }}"
SUBMIT = {"task_id": "submit", "task_type": "Twitter"}
LOAD = {
    "task_id": "load",
    "task_type": "Twitter",
    "sql_conn_id": "warehouse",
    "table": "{{ dag.dag_id }}",
    "create_table": True,
}

with DAG(
    "list_of_a_day",
    schedule="@daily",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    # So that no run is due but those of the backfill.
    end_date=datetime(2025, 1, 10, tzinfo=UTC),
    catchup=False,
):
    submit = CheckNumberSubmitOperator(number_file=f"{LISTS}/{{{{ ds }}}}.txt", **SUBMIT)
    wait = CheckNumberTaskSensor(task_id="wait", checknumber_task_id=submit.output, deferrable=True)
    CheckNumberToSqlOperator(checknumber_task_id=wait.output, **LOAD)

with DAG("list_in_parts", schedule=None):
    submits = CheckNumberSubmitOperator.partial(**SUBMIT).expand(
        number_file=[f"{LISTS}/part-{part}.txt" for part in range(3)]
    )
    waits = CheckNumberTaskSensor.partial(
        task_id="wait", start_from_trigger=True, end_from_trigger=True
    ).expand(checknumber_task_id=submits.output)
    CheckNumberToSqlOperator.partial(**LOAD).expand(checknumber_task_id=waits.output)

LOADED = Asset("warehouse://list_that_is_read")

with DAG("list_that_is_read", schedule=None):
    submit = CheckNumberSubmitOperator(number_file=f"{LISTS}/read.txt", **SUBMIT)
    wait = CheckNumberTaskSensor(task_id="wait", checknumber_task_id=submit.output, deferrable=True)
    CheckNumberToSqlOperator(checknumber_task_id=wait.output, outlets=[LOADED], **LOAD)

with DAG("reader", schedule=[LOADED]):

    @task
    def told(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        return [dict(event.extra) for event in triggering_asset_events[LOADED]]

    told()
