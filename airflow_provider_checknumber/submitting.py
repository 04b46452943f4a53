"""
The one way in which an operator submits numbers, wherever it has them from.

Joins what a list is (``numbers``), how it is billed once (``billing``), where Airflow remembers that
(``submission_memory``) and the service (``hooks``). Not for: operators' arguments, or waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_checknumber.billing import OnUnknown, Submission, recall, submit_each, submit_once
from airflow_provider_checknumber.client import Task
from airflow_provider_checknumber.client.log import Log
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.numbers import NumberBatch, NumberListError, NumberSource, PreparedNumbers
from airflow_provider_checknumber.object_storage import Location, file_to_open
from airflow_provider_checknumber.submission_memory import VariableInstructions, submission_memory

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """
    Submits for one try of a task instance.

    :param context: the running task's.
    :param hook: the service.
    :param task_type: the service's name of the check.
    :param max_numbers: refuse a list with more distinct numbers, None for any.
    :param on_unknown: what to do where an earlier try may have been accepted.
    :param log: the task's.
    """

    context: Context
    hook: CheckNumberHook
    task_type: str
    max_numbers: int | None
    on_unknown: OnUnknown
    log: Log

    def recall(self, known_as: str) -> str | None:
        """
        Return the service's id of a submission of this task instance, None where there is none to go on with.

        :param known_as: what :meth:`submit` was told that it is known as.
        :raises CheckNumberError: as ``billing.recall``.
        """
        return recall(self._submission(known_as, numbers=0), service=self._service(Path()), **self._desk())

    def submit(self, numbers: NumberBatch, *, known_as: str | None = None) -> str:
        """
        Submit a list once and return the service's id of it.

        :param numbers: the list.
        :param known_as: what a later try knows it by, default: its numbers.
        :raises CheckNumberError: as ``billing.submit_once``.
        """
        self._admit(numbers)
        submission = self._submission(known_as or numbers.fingerprint, numbers=numbers.count)
        return submit_once(submission, service=self._service(numbers.path), **self._desk())

    def submit_batches(self, numbers: PreparedNumbers) -> list[str]:
        """
        Submit each batch of a list once and return the service's ids.

        :raises CheckNumberError: as ``billing.submit_each``.
        """
        self._admit(numbers)
        batches = [
            (self._submission(batch.fingerprint, numbers=batch.count), self._service(batch.path))
            for batch in numbers.batches
        ]
        return submit_each(batches, **self._desk())

    def tell(self, prepared: PreparedNumbers, /, **more: int) -> None:
        """Push the counts of a list as the XCom ``counts``, with those that its source knows better."""
        counts = {"numbers": prepared.count, "duplicates": prepared.duplicates, "invalid": prepared.invalid}
        self.context["ti"].xcom_push(key="counts", value=counts | more)

    def _admit(self, numbers: NumberBatch) -> None:
        if self.max_numbers is not None and numbers.count > self.max_numbers:
            raise NumberListError(
                f"The list holds {numbers.count:,} numbers, more than max_numbers={self.max_numbers:,}: nothing "
                "was sent. Check that it is the right list, or raise max_numbers."
            )

    def _submission(self, fingerprint: str, *, numbers: int) -> Submission:
        return Submission(
            fingerprint=fingerprint,
            numbers=numbers,
            task_type=self.task_type,
            host=self.hook.endpoint.host,
        )

    def _service(self, path: Path) -> _Service:
        return _Service(self.hook, path, self.task_type)

    def _desk(self) -> dict[str, Any]:
        return {
            "memory": submission_memory(self.context),
            "instructions": VariableInstructions(self.context),
            "on_unknown": self.on_unknown,
            "log": self.log,
        }


@dataclass(frozen=True)
class _Service:
    """One file of numbers and the service it goes to, as ``billing`` asks for it."""

    hook: CheckNumberHook
    path: Path
    task_type: str

    def submit(self) -> Task:
        return self.hook.submit_task(self.path, self.task_type)

    def get_task(self, checknumber_task_id: str) -> Task:
        return self.hook.get_task(checknumber_task_id)


def number_source(source: str | Location | Sequence[Any]) -> NumberSource:
    """
    Return what ``prepare_numbers`` reads.

    :param source: a path, a URI, or the numbers themselves.
    :raises NumberListError: it is the numbers, but as one text.
    :raises StorageSetupError: there is no file system for the URI here.
    """
    if isinstance(source, str) and source.lstrip().startswith("["):
        # What Jinja makes of a list. Taken for a path, it would be shown in the message that there is none.
        raise NumberListError(
            "number_file is a list that a template has made a text of; nothing was sent. Hand over the other task's "
            "output itself (number_file=numbers.output), or set render_template_as_native_obj=True on the DAG."
        )
    return file_to_open(source) if isinstance(source, str | Location) else source
