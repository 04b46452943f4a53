"""
### From a file on S3 to a table, by way of S3

Takes a CSV of customers from S3, submits its numbers in batches, waits for all of them in the triggerer, writes the
answers to S3 as one CSV file a batch, and hands these to an operator of the Amazon provider, which loads them. In
the place of that last one goes whatever your warehouse has: `S3ToRedshiftOperator`, `GCSToBigQueryOperator` or
`CopyFromExternalStageToSnowflakeOperator`, with `file_format="parquet"`.

Before the first run, `pip install 'apache-airflow-providers-amazon[s3fs]'` and add three connections:

* `checknumber_default`, of type CheckNumber, with the API key as its password;
* `lake`, of type Amazon Web Services, that may read and write the bucket;
* `warehouse`, a connection to any SQL database, for the table.

Submitting is **billed**, per number.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import timedelta

from airflow.providers.amazon.aws.transfers.s3_to_sql import S3ToSqlOperator
from airflow.providers.common.compat.sdk import DAG, Param
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_object_storage import (
    CheckNumberToObjectStorageOperator,
)

TASK_TYPE = "Twitter"
BATCH_SIZE = 100_000
COLUMNS = ["number", "twitter", "task_type", "checknumber_task_id", "checked_at"]


def where_in_s3(exported: dict[str, str]) -> dict[str, str]:
    """Return of what the export tells what the load asks for."""
    return {"s3_bucket": exported["bucket"], "s3_key": exported["key"]}


def read_rows(file: str) -> Iterator[list[str | None]]:
    """Return the rows of an exported file; an empty cell is an answer that could not be determined."""
    with open(file, encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream)
        next(rows)  # The names of the columns.
        for row in rows:
            yield [cell or None for cell in row]


with DAG(
    "example_checknumber_object_storage",
    schedule=None,
    doc_md=__doc__,
    tags=["example", "checknumber"],
    params={
        "bucket": Param("lake", type="string", title="Bucket"),
        "key": Param("customers.csv", type="string", title="Key of the CSV file, which has a column phone"),
        "table": Param(
            "twitter_accounts", type="string", title="Table", description="Made if it is not there."
        ),
    },
):
    submit = CheckNumberSubmitOperator(
        task_id="submit",
        number_file="s3://lake@{{ params.bucket }}/{{ params.key }}",
        column="phone",
        task_type=TASK_TYPE,
        batch_size=BATCH_SIZE,
        min_batch_size=BATCH_SIZE // 10,
        doc_md="Billed once, each batch of it. Returns the service's ids of the tasks.",
    )
    wait = CheckNumberTaskSensor.partial(
        task_id="wait",
        deferrable=True,
        poke_interval=timedelta(seconds=5),
        timeout=timedelta(hours=12),
        doc_md="One for each batch. The triggerer asks; no worker waits.",
    ).expand(checknumber_task_id=submit.output)
    export = CheckNumberToObjectStorageOperator.partial(
        task_id="export",
        task_type=TASK_TYPE,
        path="s3://lake@{{ params.bucket }}/checks",
        file_format="csv",
        doc_md="All of a batch in one file, or none. Running it again puts the same file there.",
    ).expand(checknumber_task_id=wait.output)
    create_table = SQLExecuteQueryOperator(
        task_id="create_table",
        conn_id="warehouse",
        sql="CREATE TABLE IF NOT EXISTS {{ params.table }} (number VARCHAR(320) NOT NULL, twitter VARCHAR(5), "
        "task_type VARCHAR(255), checknumber_task_id VARCHAR(255), checked_at VARCHAR(40))",
        doc_md="As the next operator does not make one.",
    )
    load = S3ToSqlOperator.partial(
        task_id="load",
        table="{{ params.table }}",
        column_list=COLUMNS,
        parser=read_rows,
        commit_every=0,
        sql_conn_id="warehouse",
        aws_conn_id="lake",
        doc_md="What your warehouse loads files with. It is told which file by the task before it.",
    ).expand_kwargs(export.output.map(where_in_s3))
    create_table >> load
