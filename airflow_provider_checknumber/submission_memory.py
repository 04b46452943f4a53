"""Where Airflow keeps what a task has submitted, and where a person leaves word how to go on.

Airflow 3.3 and newer have the task state store: rows of a task instance that outlive its retries and
clears and go with its DAG run. Older versions clear a task's XComs on a retry and have nothing else that
belongs to a task instance, so there it is an Airflow Variable. Not for: what is in the record (``billing``).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_checknumber.billing import RESUBMIT, Memory, RecordUnavailableError
from airflow_provider_checknumber.version_compat import (
    TaskStateStore,
    get_variable,
    set_for_good,
    task_state_store,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_STATE_KEY = "checknumber_submissions"

#: In place of an instruction that has been followed.
_FOLLOWED = "(followed)"


def submission_memory(context: Context) -> Memory:
    """Return the memory of what this task instance has submitted, which outlives its retries and clears."""
    store = task_state_store(context)
    variable = _VariableMemory(context)
    return variable if store is None else _TaskStateMemory(store, before=variable)


class _TaskStateMemory:
    """
    The task state store.

    :param before: where the record was before Airflow was upgraded, or its settings were changed.
    """

    def __init__(self, store: TaskStateStore, *, before: _VariableMemory) -> None:
        self._store = store
        self._before = before

    def load(self) -> str | None:
        document = self._store.get(_STATE_KEY)
        return self._before.glance() if document is None else str(document)

    def save(self, document: str) -> None:
        set_for_good(self._store, _STATE_KEY, document)


class _VariableMemory:
    """A Variable for each task instance. It does not go with its DAG run."""

    def __init__(self, context: Context) -> None:
        what = f"what {_long_name(context)} has submitted; to be deleted with the DAG run."
        self._record = _Variable(f"checknumber_record_{_short_name(context)}", f"Airflow's record of {what}")
        self._probe = _Variable(
            f"checknumber_probe_{_short_name(context)}", f"Tries out the record of {what}"
        )

    def load(self) -> str | None:
        document = self._record.read()
        if document is None:
            # Airflow also says that there is no such Variable where a worker, the API server or a secrets
            # backend failed to ask for it. Believing that would pay twice, so first something that was
            # written must come back, by the same way.
            self._probe.write("here")
            self._probe.remove()
            document = self._record.read()
        return document

    def glance(self) -> str | None:
        """Return the text, or None where nothing has been saved or it could not be asked for."""
        return self._record.read()

    def save(self, document: str) -> None:
        self._record.write(document)


class VariableInstructions:
    """
    Instructions of a person for one task instance, left as an Airflow Variable.

    A Variable can be set at night from any shell or from the UI, in every version of Airflow, without
    touching the DAG; a run's conf cannot be changed once the run exists.

    :param context: the running task's.
    """

    def __init__(self, context: Context) -> None:
        self._variable = _Variable(
            f"checknumber_submission_{_short_name(context)}",
            f"How to go on with what {_long_name(context)} submits: the id of a task, or {RESUBMIT}.",
        )

    def command(self, instruction: str) -> str:
        """Return the command that leaves ``instruction``."""
        return f"airflow variables set {self._variable.key} {instruction}"

    def read(self) -> str | None:
        """Return the instruction, None where there is none."""
        # Somebody in a hurry may copy the brackets around "<its task id>", or add quotes.
        instruction = (self._variable.read() or "").strip(" \t\r\n<>\"'")
        if instruction in ("", _FOLLOWED):
            return None
        return RESUBMIT if instruction.lower() == RESUBMIT else instruction

    def remove(self) -> None:
        """
        Take the instruction away, so that it is followed once.

        :raises RecordUnavailableError: that is not certain.
        """
        # Airflow 3.0 to 3.2 only log where a Variable could not be deleted; what was written can be seen.
        self._variable.write(_FOLLOWED)
        self._variable.remove()


class _Variable:
    """An Airflow Variable."""

    def __init__(self, key: str, description: str) -> None:
        self.key = key
        self._description = description

    def read(self) -> str | None:
        """Return the value, None where there is none or it could not be asked for."""
        return get_variable(self.key)

    def write(self, value: str) -> None:
        """
        Set the value.

        :raises RecordUnavailableError: Airflow did not keep it.
        """
        Variable.set(self.key, value, description=self._description)
        # Airflow 3.0 to 3.2 only log where a Variable could not be set.
        if self.read() != value:
            raise RecordUnavailableError(
                f"Airflow did not keep the Variable {self.key}, so nothing was sent: see the lines above."
            )

    def remove(self) -> None:
        """Delete it, if that can be done; whoever needs certainty writes."""
        with suppress(Exception):
            Variable.delete(self.key)


def _long_name(context: Context) -> str:
    ti = context["ti"]
    mapped = ti.map_index is not None and ti.map_index >= 0
    return f"DAG {ti.dag_id}, run {ti.run_id}, task {ti.task_id}" + (
        f", map index {ti.map_index}" if mapped else ""
    )


def _short_name(context: Context) -> str:
    """Return a name of the task instance that fits the 250 characters of a Variable's key."""
    return hashlib.sha256(_long_name(context).encode()).hexdigest()[:16]
