"""A list of numbers in, a table out: submit, wait and load as one task group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import task_group

from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.numbers import OnInvalid
from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator
from airflow_provider_checknumber.warehouse import WriteDisposition


# What it is called with goes to three operators, so all of it is theirs, with their defaults, but for three:
# a group that is used for being short makes its table, holds no worker, and does not wait for a week.
@task_group(tooltip="Submit the numbers, wait for the result, load it into the table.")
def check_numbers(
    *,
    number_file: str | Sequence[str],
    task_type: str,
    sql_conn_id: str,
    table: str,
    checknumber_conn_id: str = CheckNumberHook.default_conn_name,
    column: str | None = None,
    default_region: str | None = None,
    on_invalid: OnInvalid = "fail",
    max_numbers: int | str | None = None,
    batch_size: int | None = None,
    min_batch_size: int = 1,
    deferrable: bool = True,
    timeout: timedelta | float = timedelta(hours=12),
    write_disposition: WriteDisposition = "append",
    create_table: bool = True,
    columns: Mapping[str, str] | None = None,
) -> None:
    """
    Submit a list of numbers, wait until it is checked, and load the result into a table.

    .. code-block:: python

        checks = check_numbers(
            number_file="s3://lake@customers/{{ ds }}.csv",
            column="phone",
            task_type="Twitter",
            sql_conn_id="warehouse",
            table="twitter_accounts",
            max_numbers=50_000,
        )
        extract >> checks >> report

    A task group like any other: ``.override(group_id="twitter")`` names it, a second call in the same DAG is
    named by itself, and ``.partial(…).expand(number_file=[…])`` maps it. It returns the group, so what is set
    before it comes before its submission; ``checks.get_child_by_label("load").output`` are the counts of its load.
    Its tasks are ``submit``, ``wait`` and ``load``. For their other arguments, use the three operators.

    :param number_file: path or URI of the list, or a short list from another task's XCom. (templated)
    :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``. (templated)
    :param sql_conn_id: the Airflow connection of the database. (templated)
    :param table: ``table``, ``schema.table`` or ``catalogue.schema.table``. (templated)
    :param checknumber_conn_id: the Airflow connection of the service, of either type. (templated)
    :param column: the column that holds the numbers; makes a text file a CSV file. (templated)
    :param default_region: two capital letters, e.g. ``TR``, for numbers that are not E.164. (templated)
    :param on_invalid: ``fail`` (default) at lines that are no numbers, ``skip`` them or ``keep`` them.
    :param max_numbers: refuse a list with more distinct numbers before anything is sent. (templated)
    :param batch_size: most numbers in one of the service's tasks: ``wait`` and ``load`` are then mapped over them.
    :param min_batch_size: fewest numbers in one of them.
    :param deferrable: wait in the triggerer (default) instead of a worker.
    :param timeout: how long to wait, 12 hours by default; the group then fails without a retry.
    :param write_disposition: ``append`` (default), ``merge`` or ``replace``. (templated)
    :param create_table: make the table if there is none (default).
    :param columns: result column to table column. (templated)
    """
    submit = CheckNumberSubmitOperator(
        task_id="submit",
        number_file=number_file,
        task_type=task_type,
        checknumber_conn_id=checknumber_conn_id,
        column=column,
        default_region=default_region,
        on_invalid=on_invalid,
        max_numbers=max_numbers,
        batch_size=batch_size,
        min_batch_size=min_batch_size,
    )
    waiting: dict[str, Any] = {
        "task_id": "wait",
        "checknumber_conn_id": checknumber_conn_id,
        "deferrable": deferrable,
        "timeout": timeout,
    }
    loading: dict[str, Any] = {
        "task_id": "load",
        "task_type": task_type,
        "sql_conn_id": sql_conn_id,
        "table": table,
        "checknumber_conn_id": checknumber_conn_id,
        "write_disposition": write_disposition,
        "create_table": create_table,
        "columns": columns,
    }
    if batch_size is None:
        wait = CheckNumberTaskSensor(**waiting | {"checknumber_task_id": submit.output})
        CheckNumberToSqlOperator(**loading | {"checknumber_task_id": wait.output})
    else:
        waits = CheckNumberTaskSensor.partial(**waiting).expand(checknumber_task_id=submit.output)
        CheckNumberToSqlOperator.partial(**loading).expand(checknumber_task_id=waits.output)
