"""A task instance for operators that are run without Airflow's scheduler: its context outlives its tries.

task = TaskInstance()
operator.execute(task.context)     # the first try
operator.execute(task.context)     # a retry: XComs are gone, what the task remembers is there
"""

from __future__ import annotations

from typing import Any

from airflow_provider_checknumber import submission_memory
from airflow_provider_checknumber.version_compat import STARTS_FROM_TRIGGER
from tests.faults.versions import installed_airflow

if not STARTS_FROM_TRIGGER:
    # Before Airflow 3.3 there is no state store, and nothing in Airflow to say how long one keeps a value.
    submission_memory.set_for_good = lambda store, key, value: store.set(key, value, retention=None)
if installed_airflow() == "3.0":
    # Outside of a worker, Airflow 3.0 cannot ask for a Variable; there is none.
    submission_memory.get_variable = lambda key: None


class TaskInstance:
    """One task instance.

    :param run_id: its DAG run's.
    """

    dag_id = "tests"
    task_id = "submit"
    map_index = -1

    def __init__(self, run_id: str = "first") -> None:
        self.run_id = run_id
        self.xcoms: dict[str, Any] = {}
        self._state: dict[str, Any] = {}

    @property
    def context(self) -> Any:
        """The context of the next try."""
        self.xcoms.clear()
        return {"ti": self, "task_state_store": self}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    # What Airflow 3.3 and newer keep for a task instance.

    def get(self, key: str) -> Any:
        return self._state.get(key)

    def set(self, key: str, value: Any, *, retention: object) -> None:
        self._state[key] = value
