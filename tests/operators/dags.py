"""The DAGs of ``test_checknumber.py``, one a case. Run as a script, it runs them one after the other."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Variable

from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator


class DiesAfterwards(CheckNumberSubmitOperator):
    """
    Its first try submits, and is lost after that.

    :param instruction: what a person says before the next try.
    :param list_then: what the file holds by then.
    """

    def __init__(
        self, *, instruction: str | None = None, list_then: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.instruction = instruction
        self.list_then = list_then

    def execute(self, context: Any) -> str:
        checknumber_task_id = super().execute(context)
        if context["ti"].try_number > 1:
            return checknumber_task_id
        if self.list_then is not None:
            Path(self.number_file).write_text(self.list_then)
        if self.instruction is not None:
            from airflow_provider_checknumber.submission_memory import VariableInstructions

            key = VariableInstructions(context).command("").split()[3]
            Variable.set(key, self.instruction)
        raise RuntimeError("lost")


def make_dag(dag_id: str, case: dict[str, Any]) -> DAG:
    arguments = {
        "task_id": "submit",
        "task_type": "Twitter",
        "checknumber_conn_id": dag_id,
        "poke_interval": 0.2,
        "retries": 2,
        "retry_delay": timedelta(0),
        **case["arguments"],
    }
    with DAG(dag_id, schedule=None, start_date=datetime(2025, 1, 1)) as dag:
        operator = DiesAfterwards if case["dies"] else CheckNumberSubmitOperator
        if case["mapped"]:
            operator.partial(**arguments).expand(number_file=[case["number_file"]] * 2)
        else:
            operator(number_file=case["number_file"], **arguments)
    return dag


dags = {
    dag_id: make_dag(dag_id, case) for dag_id, case in json.loads(os.environ["CHECKNUMBER_CASES"]).items()
}
globals().update(dags)

if __name__ == "__main__":
    for dag_id, dag in dags.items():
        sys.stdout.flush()
        print(f"\n=== {dag_id}", flush=True)
        dag.test()
    print("\n=== end", flush=True)
