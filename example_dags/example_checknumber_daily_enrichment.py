"""
### Ask about new customers only, every day

Reads the customers' phone numbers from the warehouse, leaves out those that were answered within the last thirty
days, submits the rest, waits in the triggerer, and adds the answers to the table that it reads the next day.
A day without new numbers costs nothing: the tasks are skipped.

Before the first run, add two connections:

* `checknumber_default`, of type CheckNumber, with the API key as its password;
* `warehouse`, a connection to any SQL database, with a table `customers` that has a column `phone`.

Submitting is **billed**, per number, so `max_numbers` refuses a list that is larger than any day should have.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator
from airflow_provider_checknumber.transfers.sql_to_checknumber import SqlToCheckNumberOperator

TASK_TYPE = "Twitter"
WAREHOUSE = "warehouse"

with DAG(
    "example_checknumber_daily_enrichment",
    schedule="@daily",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    # What one run has submitted and not loaded yet, another would not know of.
    max_active_runs=1,
    doc_md=__doc__,
    tags=["example", "checknumber"],
    params={
        "table": Param(
            "twitter_accounts", type="string", title="Table", description="Made if it is not there."
        ),
        "region": Param(
            "TR", type="string", title="Region", description="That national numbers are read in, e.g. TR."
        ),
    },
):
    submit = SqlToCheckNumberOperator(
        task_id="submit",
        sql="SELECT phone FROM customers WHERE phone IS NOT NULL",
        sql_conn_id=WAREHOUSE,
        task_type=TASK_TYPE,
        default_region="{{ params.region }}",
        on_invalid="skip",
        results_table="{{ params.table }}",
        skip_checked_within=timedelta(days=30),
        max_numbers=1_000_000,
        doc_md="Billed once, and for new numbers only. Skipped where there are none.",
    )
    wait = CheckNumberTaskSensor(
        task_id="wait",
        checknumber_task_id=submit.output,
        deferrable=True,
        poke_interval=timedelta(seconds=5),
        timeout=timedelta(hours=12),
        doc_md="The triggerer asks; no worker waits.",
    )
    load = CheckNumberToSqlOperator(
        task_id="load",
        checknumber_task_id=wait.output,
        task_type=TASK_TYPE,
        sql_conn_id=WAREHOUSE,
        table="{{ params.table }}",
        write_disposition="merge",
        create_table=True,
        doc_md="One row a number: its newest answer. What is in here is not paid for again tomorrow.",
    )
