"""A DAG with every operator, mapped and in task groups. Not a test: ``test_chain`` runs it once and looks."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import airflow
from airflow.providers.common.compat.sdk import DAG, Asset, BaseOperator, get_current_context, task

from airflow_provider_checknumber.links.checknumber import CheckNumberDashboardLink
from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor
from airflow_provider_checknumber.task_groups.checknumber import check_numbers
from airflow_provider_checknumber.transfers.checknumber_to_object_storage import (
    CheckNumberToObjectStorageOperator,
)
from airflow_provider_checknumber.transfers.checknumber_to_sql import CheckNumberToSqlOperator
from airflow_provider_checknumber.transfers.sql_to_checknumber import SqlToCheckNumberOperator

FOLDER = Path(os.environ["CHECKNUMBER_TEST_FOLDER"])
ONE, TWO = str(FOLDER / "one.txt"), str(FOLDER / "two.txt")
#: `dags test` of Airflow 2 forgets of a task that was deferred that it is mapped.
DEFERRABLE = airflow.__version__ >= "3"
CHECKS = Asset("warehouse://checks")
#: `dags test` of Airflow 3.0 takes every asset for inactive, and runs no task that has one.
ASSETS = [] if airflow.__version__.startswith("3.0.") else [CHECKS]
WAREHOUSE = {"task_type": "Twitter", "sql_conn_id": "warehouse"}

if airflow.__version__ >= "3.3":
    # What a worker does before a task, and `dags test` does not.
    from airflow.configuration import conf
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    stats.initialize(
        factory=stats_utils.get_stats_factory(),
        export_legacy_names=conf.getboolean("metrics", "legacy_names_on"),
    )


def note_event(context: Any, result: Any) -> None:
    """Leave what Airflow is about to store with the event of the outlet."""
    context["ti"].xcom_push(key="event", value=dict(context["outlet_events"][CHECKS].extra))


@task
def link_of(task_id: str, map_index: int) -> str:
    """Return the link of another task as the UI asks for it."""
    from types import SimpleNamespace

    run = get_current_context()["ti"]
    key = SimpleNamespace(dag_id=run.dag_id, run_id=run.run_id, task_id=task_id, map_index=map_index)
    return CheckNumberDashboardLink().get_link(BaseOperator(task_id="any"), ti_key=key)


with DAG("chain", schedule=None, params={"table": "in_a_group", "at_most": 3}) as dag:

    @task
    def write_lists() -> list[str]:
        """Write the lists that nothing may be submitted from before."""
        numbers = os.environ["CHECKNUMBER_TEST_NUMBERS"].split(",")
        Path(ONE).write_text("\n".join(numbers[:3]))
        Path(TWO).write_text("\n".join(numbers[3:]))
        return [ONE, TWO]

    lists = write_lists()

    # The group: after another task, a second time with batches, and mapped.
    once = check_numbers(
        number_file=ONE, table="{{ params.table }}", max_numbers="{{ params.at_most }}", **WAREHOUSE
    )
    lists >> once
    batches = check_numbers(number_file=TWO, table="in_batches", batch_size=2, deferrable=False, **WAREHOUSE)
    once >> batches
    each = (
        check_numbers.override(group_id="each")
        .partial(table="mapped", deferrable=DEFERRABLE, **WAREHOUSE)
        .expand(number_file=lists)
    )

    # Every operator by itself, mapped.
    submit = CheckNumberSubmitOperator.partial(task_id="submit", task_type="Twitter").expand(
        number_file=lists
    )
    query = SqlToCheckNumberOperator.partial(
        task_id="query",
        sql="numbers.sql",
        results_table="mapped",
        skip_checked_within=timedelta(days=1),
        **WAREHOUSE,
    ).expand(parameters=[["1"], ["2"]])
    wait = CheckNumberTaskSensor.partial(task_id="wait", deferrable=DEFERRABLE, poke_interval=0.1).expand(
        checknumber_task_id=submit.output
    )
    load = CheckNumberToSqlOperator.partial(
        task_id="load",
        checknumber_task_id="{{ ti.xcom_pull('submit', map_indexes=0) }}",
        create_table=True,
        outlets=ASSETS,
        post_execute=note_event if ASSETS else None,
        **WAREHOUSE,
    ).expand_kwargs(
        [
            {"table": "appended", "write_disposition": "append"},
            {"table": "renamed", "columns": {"twitter": "has_{{ params.table }}"}},
        ]
    )

    @task(inlets=[CHECKS])
    def event_of_load(inlet_events: Any = None) -> dict[str, Any]:
        """Return what a DAG that is scheduled on the asset is told."""
        return dict(inlet_events[CHECKS][-1].extra)

    wait >> load
    if airflow.__version__ >= "3.1":  # `dags test` of Airflow 2 stores no events.
        load >> event_of_load()
    CheckNumberToObjectStorageOperator.partial(
        task_id="export", task_type="Twitter", path=str(FOLDER / "lake"), file_format="csv"
    ).expand(checknumber_task_id=wait.output)

    refused = CheckNumberSubmitOperator(
        task_id="refused", number_file=ONE, task_type="Twitter", max_numbers="{{ 2 }}"
    )
    each >> query  # Which leaves out what has been loaded.
    lists >> refused

    looks = [
        link_of.override(task_id=f"link_of_{name}", trigger_rule="all_done")(name, index)
        for name, index in {
            "check_numbers.submit": -1,
            "check_numbers.wait": -1,
            "check_numbers.load": -1,
            "query": 1,
            "wait": 1,
            "export": 0,
            "refused": -1,
            "write_lists": -1,
        }.items()
    ]
    for look in looks:
        dag.get_task("export") >> look
        refused >> look
        query >> look
