"""Every line that depends on Airflow's version: where a submission's record and instructions are kept, deferral."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Variable, conf

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_checknumber.billing import Memory

_STATE_KEY = "checknumber_submissions"


def submission_memory(context: Context) -> Memory:
    """
    Return the memory of what this task instance has submitted, which outlives its retries and clears.

    Airflow 3.3 and newer: the task state store. Older versions clear a task's XComs on a retry and have
    nothing else that belongs to a task instance, so there it is an Airflow Variable; and so it is where
    ``[state_store] clear_on_success`` would drop the record that keeps a cleared task from paying again.
    """
    store = context.get("task_state_store")
    if store is None or conf.getboolean("state_store", "clear_on_success", fallback=False):
        return _VariableMemory(context)
    return _TaskStateMemory(store)


class _TaskStateMemory:
    def __init__(self, store: Any) -> None:
        self._store = store

    def load(self) -> str | None:
        document = self._store.get(_STATE_KEY)
        return None if document is None else str(document)

    def save(self, document: str) -> None:
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        # The default of 30 days could end between two retries; the row goes with its DAG run anyway.
        self._store.set(_STATE_KEY, document, retention=NEVER_EXPIRE)


class _VariableMemory:
    def __init__(self, context: Context) -> None:
        self._key = f"checknumber_record_{_short_name(context)}"
        self._description = f"What {_long_name(context)} has submitted; delete it with the DAG run."

    def load(self) -> str | None:
        return _get_variable(self._key)

    def save(self, document: str) -> None:
        Variable.set(self._key, document, description=self._description)


class VariableInstructions:
    """
    Instructions of a person for one task instance, left as an Airflow Variable.

    A Variable can be set at night from any shell or from the UI, in every version of Airflow, without
    touching the DAG; a run's conf cannot be changed once the run exists.

    :param context: the running task's.
    """

    def __init__(self, context: Context) -> None:
        self._key = f"checknumber_submission_{_short_name(context)}"

    @property
    def how_to(self) -> str:
        """Return the command that leaves an instruction, with ``{}`` where its text goes."""
        return f"airflow variables set {self._key} {{}}"

    def take(self) -> str | None:
        """Return the instruction, having removed it; None where there is none."""
        instruction = (_get_variable(self._key) or "").strip()
        if not instruction:
            return None
        Variable.delete(self._key)
        return instruction


def _get_variable(key: str) -> str | None:
    value = Variable.get(key, None)  # By position: the default is called default_var before Airflow 3.
    return None if value is None else str(value)


def _long_name(context: Context) -> str:
    ti = context["ti"]
    mapped = f", map index {ti.map_index}" if (ti.map_index or -1) >= 0 else ""
    return f"DAG {ti.dag_id}, run {ti.run_id}, task {ti.task_id}{mapped}"


def _short_name(context: Context) -> str:
    """Return a name of the task instance that fits the 250 characters of a Variable's key."""
    return hashlib.sha256(_long_name(context).encode()).hexdigest()[:16]


def deferral_timed_out(next_method: str, next_kwargs: dict[str, Any] | None) -> bool:
    """Return whether Airflow resumes a deferred task only to fail it, because its deadline has passed."""
    # The words of Airflow 2 and 3; other reasons are that the trigger raised or could not be loaded.
    words = ("Trigger/execution timeout", "Trigger timeout")
    return next_method == "__fail__" and (next_kwargs or {}).get("error") in words
