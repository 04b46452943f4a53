"""
### Which of these phone numbers have an X (Twitter) account?

Submits a file of phone numbers to CheckNumber, waits in the triggerer, without holding a worker, and loads the
answers into a table with the columns `number`, `twitter`, `task_type`, `checknumber_task_id` and `checked_at`.

Before the first run, add two connections:

* `checknumber_default`, of type CheckNumber, with the API key as its password;
* `warehouse`, a connection to any SQL database, for the table.

Submitting is **billed**, per number. `checknumber-demo` runs this DAG against a stand-in of the service, free
of charge.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator

TASK_TYPE = "Twitter"

with DAG(
    "example_checknumber_twitter",
    schedule=None,
    doc_md=__doc__,
    tags=["example", "checknumber"],
    params={
        "number_file": Param(
            "/data/numbers.txt",
            type="string",
            title="Number file",
            description="Path of a text file on the worker, one number in E.164 form (+12025550123) a line.",
        ),
        "table": Param(
            "twitter_accounts", type="string", title="Table", description="Made if it is not there."
        ),
        "sql_conn_id": Param("warehouse", type="string", title="Connection id of the table's database"),
    },
):
    submit = CheckNumberSubmitOperator(
        task_id="submit",
        number_file="{{ params.number_file }}",
        task_type=TASK_TYPE,
        doc_md="Billed once: no retry pays again. Returns the service's id of the task.",
    )
    wait = CheckNumberTaskSensor(
        task_id="wait",
        checknumber_task_id=submit.output,
        deferrable=True,
        poke_interval=timedelta(seconds=5),
        timeout=timedelta(hours=12),
        doc_md="Twenty thousand numbers take about half an hour. The triggerer asks; no worker waits.",
    )
    load = CheckNumberToSqlOperator(
        task_id="load",
        checknumber_task_id=wait.output,
        task_type=TASK_TYPE,
        sql_conn_id="{{ params.sql_conn_id }}",
        table="{{ params.table }}",
        create_table=True,
        doc_md="All rows in one transaction. Running it again leaves the same rows.",
    )
