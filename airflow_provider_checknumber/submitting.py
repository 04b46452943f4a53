"""
The one way in which an operator submits numbers, wherever it has them from.

Joins what a list is (``numbers``), how it is billed once (``billing``), where Airflow remembers that
(``submission_memory``) and the service (``hooks``). Not for: operators' arguments, or waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_checknumber import metrics
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
    :param max_numbers: refuse a list with more distinct numbers, None for any; text where a template gave it.
    :param on_unknown: what to do where an earlier try may have been accepted.
    :param log: the task's.
    """

    context: Context
    hook: CheckNumberHook
    task_type: str
    max_numbers: int | str | None
    on_unknown: OnUnknown
    log: Log

    def recall(self, known_as: str) -> str | None:
        """
        Return the service's id of a submission of this task instance, None where there is none to go on with.

        Its counts are pushed as the XCom ``counts``, as they were when it was submitted.

        :param known_as: what :meth:`submit` was told that it is known as.
        :raises CheckNumberError: as ``billing.recall``.
        """
        recalled = recall(self._submission(known_as, numbers=0), service=self._service(None), **self._desk())
        if recalled is None:
            return None
        if recalled.counts:
            self._push(recalled.counts)
        return recalled.task_id

    def submit(
        self, numbers: NumberBatch, *, known_as: str | None = None, counts: Mapping[str, int] | None = None
    ) -> str:
        """
        Submit a list once and return the service's id of it.

        :param numbers: the list.
        :param known_as: what a later try knows it by, default: its numbers.
        :param counts: what :meth:`recall` is to push in a later try.
        :raises CheckNumberError: as ``billing.submit_once``.
        """
        self._admit(numbers)
        submission = self._submission(known_as or numbers.fingerprint, numbers=numbers.count, counts=counts)
        service = self._service(numbers)
        try:
            return submit_once(submission, service=service, **self._desk())
        finally:
            self._count(service)

    def submit_batches(self, numbers: PreparedNumbers) -> list[str]:
        """
        Submit each batch of a list once and return the service's ids.

        :raises CheckNumberError: as ``billing.submit_each``.
        """
        self._admit(numbers)
        batches = [
            (self._submission(batch.fingerprint, numbers=batch.count), self._service(batch))
            for batch in numbers.batches
        ]
        try:
            return submit_each(batches, **self._desk())
        finally:
            self._count(*(service for _, service in batches))

    def tell(self, prepared: PreparedNumbers, /, **more: int) -> dict[str, int]:
        """Push and return the counts of a list, the XCom ``counts``, with those that its source knows better."""
        counts = {"numbers": prepared.count, "duplicates": prepared.duplicates, "invalid": prepared.invalid}
        self._push(counts | more)
        return counts | more

    def _push(self, counts: Mapping[str, int]) -> None:
        self.context["ti"].xcom_push(key="counts", value=dict(counts))

    def _admit(self, numbers: NumberBatch) -> None:
        if self.max_numbers is not None and numbers.count > int(self.max_numbers):
            raise NumberListError(
                f"The list holds {numbers.count:,} numbers, more than max_numbers={int(self.max_numbers):,}: nothing "
                "was sent. Check that it is the right list, or raise max_numbers."
            )

    def _submission(
        self, fingerprint: str, *, numbers: int, counts: Mapping[str, int] | None = None
    ) -> Submission:
        return Submission(
            fingerprint=fingerprint,
            numbers=numbers,
            task_type=self.task_type,
            host=self.hook.endpoint.host,
            counts=counts or {},
        )

    def _service(self, numbers: NumberBatch | None) -> _Service:
        return _Service(self.hook, self.task_type, numbers)

    def _count(self, *services: _Service) -> None:
        """Count what was accepted. Not as soon as it was: nothing comes between an answer and its record."""
        for service in services:
            if service.accepted is not None:
                metrics.submitted(self.hook.endpoint, self.task_type, service.accepted)

    def _desk(self) -> dict[str, Any]:
        return {
            "memory": submission_memory(self.context),
            "instructions": VariableInstructions(self.context),
            "on_unknown": self.on_unknown,
            "log": self.log,
        }


@dataclass
class _Service:
    """
    One batch of numbers and the service it goes to, as ``billing`` asks for it.

    :param numbers: the batch, None where nothing is to be sent.
    :param accepted: how many numbers the service has taken.
    """

    hook: CheckNumberHook
    task_type: str
    numbers: NumberBatch | None
    accepted: int | None = None

    def submit(self) -> Task:
        assert self.numbers is not None  # noqa: S101 - recalling sends nothing
        task = self.hook.submit_task(self.numbers.path, self.task_type)
        self.accepted = self.numbers.count
        return task

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
