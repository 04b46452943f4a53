"""Every line that depends on Airflow's version."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow import __version__
from airflow.providers.common.compat.sdk import Variable, conf
from packaging.version import Version

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial as OperatorPartial

#: Whether the triggerer renders templates, so that a task whose id is an XCom can start there.
STARTS_FROM_TRIGGER = Version(Version(__version__).base_version) >= Version("3.3")


class TaskStateStore(Protocol):
    """The part of Airflow 3.3's ``TaskStateStoreAccessor`` that is used here."""

    def get(self, key: str) -> Any:
        """Return a value, None where there is none; raises where it cannot be asked."""

    def set(self, key: str, value: Any, *, retention: timedelta) -> None:
        """Keep a value; raises where it is not kept."""


def task_state_store(context: Context) -> TaskStateStore | None:
    """Return what Airflow 3.3 and newer keep for a task instance, None before, or where success clears it."""
    store: TaskStateStore | None = context.get("task_state_store")
    # The setting would drop the record that keeps a task from paying again when it is cleared.
    if store is None or conf.getboolean("state_store", "clear_on_success", fallback=False):
        return None
    return store


def set_for_good(store: TaskStateStore, key: str, value: str) -> None:
    """Put a value that stays as long as its DAG run; by default it would go after 30 days."""
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    store.set(key, value, retention=NEVER_EXPIRE)


def get_variable(key: str) -> str | None:
    """Return an Airflow Variable, or None where there is none, and where it could not be asked for."""
    value = Variable.get(key, None)  # By position: the default is called default_var before Airflow 3.
    return None if value is None else str(value)


def deferral_timed_out(next_method: str, next_kwargs: dict[str, Any] | None) -> bool:
    """Return whether Airflow resumes a deferred task only to fail it, because its deadline has passed."""
    # The words of Airflow 2 and 3; other reasons are that the trigger raised or could not be loaded.
    words = ("Trigger/execution timeout", "Trigger timeout")
    return next_method == "__fail__" and (next_kwargs or {}).get("error") in words


async def push_xcom(ti: Any, value: str | None, *, key: str = "return_value") -> None:
    """
    Leave ``value`` as an XCom of the task instance, from the triggerer of Airflow 3.3 and newer.

    The event that ends a task can carry XComs, but Airflow 3.3 stores those encoded twice, so that a task
    pulls the text with quotation marks, and it passes by the deployment's XCom backend.
    """
    from airflow.sdk.execution_time.xcom import XCom

    await XCom.aset(
        key=key,
        value=value,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
    )
