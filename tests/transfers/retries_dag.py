"""A DAG whose submitting tasks fail in their first try, after the service has accepted something.

Not a test: ``test_in_airflow`` runs it once and looks at what was billed.
"""

from __future__ import annotations

import functools
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseHook

from airflow_provider_checknumber.client import RateLimitedError
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.transfers.sql_to_checknumber import SqlToCheckNumberOperator


def refuse_the_third_batch(context: Any) -> None:
    if context["ti"].try_number > 1:
        return
    original, sent = CheckNumberHook.submit_task, []

    @functools.wraps(original)
    def submit_task(hook: CheckNumberHook, *arguments: Any) -> Any:
        sent.append(1)
        if len(sent) == 3:
            raise RateLimitedError("The service is busy.", retry_after=3600.0)
        return original(hook, *arguments)

    CheckNumberHook.submit_task = submit_task


def answer_one_and_fail(context: Any, result: Any = None) -> None:
    if context["ti"].try_number > 1:
        return
    file = BaseHook.get_connection("warehouse").host
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("INSERT INTO checks SELECT phone, 'Twitter', '2999-01-01' FROM customers LIMIT 1")
    raise RuntimeError("the worker ran out of luck")


with DAG("retries", schedule=None, default_args={"retries": 1, "retry_delay": timedelta(0)}):
    query = SqlToCheckNumberOperator(
        task_id="query",
        sql="SELECT phone FROM customers",
        sql_conn_id="warehouse",
        task_type="Twitter",
        results_table="checks",
        skip_checked_within=timedelta(days=30),
        post_execute=answer_one_and_fail,
    )
    batches = CheckNumberSubmitOperator(
        task_id="batches",
        number_file=[f"+1202555{number:04}" for number in range(20)],
        task_type="Twitter",
        batch_size=7,
        pre_execute=refuse_the_third_batch,
    )
    query >> batches
