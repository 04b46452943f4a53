"""Submit on one worker, wait on another, load on the first again. Read by Airflow."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator

with DAG("workers", schedule=None):
    submit = CheckNumberSubmitOperator(
        task_id="submit", queue="east", number_file="{{ var.value.number_file }}", task_type="Twitter"
    )
    wait = CheckNumberTaskSensor(task_id="wait", queue="west", checknumber_task_id=submit.output)
    CheckNumberToSqlOperator(
        task_id="load",
        queue="east",
        checknumber_task_id=wait.output,
        task_type="Twitter",
        sql_conn_id="warehouse",
        table="twitter_accounts",
        create_table=True,
    )
