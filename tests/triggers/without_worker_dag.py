"""A DAG of sensors that do without a worker, mapped and templated in every way that there is.

Not a test: ``test_without_worker`` lets a real triggerer run it, and plays the worker of the first two tasks.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_checknumber.sensors.checknumber import CheckNumberTaskSensor


class Submitted(BaseOperator):
    """Stands for submitting: the test writes down what it returned."""


start = {"start_from_trigger": True, "poke_interval": 0.2, "max_poke_interval": 0.5}
start_and_end = {**start, "end_from_trigger": True}

with DAG("triggerer", schedule=None, params={"stuck": ""}):
    one = Submitted(task_id="one")
    many = Submitted(task_id="many")

    mapped = CheckNumberTaskSensor.partial(task_id="mapped", **start_and_end).expand(
        checknumber_task_id=many.output
    )
    CheckNumberTaskSensor.partial(task_id="mapped_over_mapped", **start_and_end).expand(
        checknumber_task_id=mapped.output
    )
    CheckNumberTaskSensor(task_id="from_xcom", checknumber_task_id=one.output, **start_and_end)
    CheckNumberTaskSensor(
        task_id="no_xcom", checknumber_task_id=one.output, do_xcom_push=False, **start_and_end
    )
    CheckNumberTaskSensor(
        task_id="templated",
        checknumber_task_id="{{ ti.xcom_pull('one') }}",
        checknumber_conn_id="checknumber_{{ 'default' }}",
        **start,
    )
    CheckNumberTaskSensor.partial(task_id="computed", **start).expand(
        checknumber_task_id=many.output.map(lambda checknumber_task_id: checknumber_task_id)
    )
    CheckNumberTaskSensor(
        task_id="too_late",
        checknumber_task_id=one.output,
        checknumber_conn_id="nowhere",
        timeout=timedelta(minutes=50),
        **start_and_end,
    )
    CheckNumberTaskSensor(task_id="ended_by_hand", checknumber_task_id="{{ params.stuck }}", **start_and_end)
