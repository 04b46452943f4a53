"""The state machine that lets a submission be billed once.

::

    nothing on record ──intend──▶ intent ──answer──▶ task id on record ──▶ returned from now on
           ▲                        │
           └── certainly refused ───┤
                                    └── anything else ──▶ unknown: a person decides

A create is billed when the service accepts it, has no idempotency key and cannot be looked up. So the
intent is on record before the request leaves and the id right after the answer; a retry that finds an
intent without an id does not know, and says so. What a failed request means is a property of its error
(``create_accepted`` in ``client.errors``):

================================================  ==========  ============================================
fault                                             accepted?   why
================================================  ==========  ============================================
refused, name not resolved, TLS, connect timeout  no          the body is read only once a connection stands
429                                               no          the service turned the request away
500                                               no          the service documents it as free
4xx, redirect                                     no          documented or seen as free, no task is made
read timeout, reset after the body was begun      unknown     the service may have read all of it
502, 503, 504                                     unknown     a gateway gave up on the answer, not the request
2xx that cannot be read                           unknown     it says accepted, but not as which task
killed between intent and id                      unknown     as above, and nobody saw the answer
================================================  ==========  ============================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from airflow_provider_checknumber.billing.errors import InstructionError, UnknownOutcomeError
from airflow_provider_checknumber.billing.record import Intent, Memory, Record, Submission
from airflow_provider_checknumber.client.errors import CheckNumberError
from airflow_provider_checknumber.client.log import Log
from airflow_provider_checknumber.client.models import Task, TaskStatus
from airflow_provider_checknumber.client.timing import pause_before_next_try, worth_another_try

OnUnknown = Literal["fail", "resubmit"]

#: The instruction that allows one more submission; any other instruction is the id of a task.
RESUBMIT = "resubmit"

#: How often a create that was certainly not accepted is tried before its error is raised.
_ATTEMPTS = 5


class Instructions(Protocol):
    """A place where a person can say how to go on with one task instance."""

    @property
    def how_to(self) -> str:
        """Return the command that leaves an instruction, with ``{}`` where its text goes."""

    def take(self) -> str | None:
        """Return the instruction and remove it, so that it is followed once; None where there is none."""


class Service(Protocol):
    """What is asked of the service."""

    def submit(self) -> Task:
        """Send the numbers. Billed."""

    def get_task(self, checknumber_task_id: str) -> Task:
        """Ask how a task stands. Free."""


def submit_once(
    submission: Submission,
    *,
    memory: Memory,
    instructions: Instructions,
    service: Service,
    on_unknown: OnUnknown,
    log: Log,
) -> str:
    """
    Return the service's id of the task that the submission became, sending it only where that is safe.

    :param submission: what is to be sent.
    :param memory: where the record of this task instance is kept.
    :param instructions: where a person leaves word.
    :param service: sends, and looks up.
    :param on_unknown: what to do where an earlier submission may have been accepted: ``fail``, or
        ``resubmit`` at the risk of paying twice.
    :param log: for what was decided and why.
    :raises UnknownOutcomeError: the outcome of this or an earlier submission is unknown.
    :raises InstructionError: an instruction cannot be followed.
    :raises UnreadableRecordError: the record cannot be read.
    :raises CheckNumberError: the service certainly did not accept the submission.
    """
    record = Record(memory)
    desk = _Desk(submission, record, record.identity(submission), instructions, service, log)
    if record.intent is not None:
        desk.resolve(record.intent, on_unknown)
    return desk.reuse() or desk.send()


@dataclass(frozen=True)
class _Desk:
    """Everything that the decisions about one submission need."""

    submission: Submission
    record: Record
    identity: str
    instructions: Instructions
    service: Service
    log: Log

    def resolve(self, intent: Intent, on_unknown: OnUnknown) -> None:
        """Decide what became of an earlier submission without an answer, or stop."""
        instruction = self.instructions.take()
        if instruction == RESUBMIT:
            self.log.warning("Submitting again, as instructed, though an earlier try may have been billed.")
            self.record.withdraw()
        elif instruction is not None:
            self.record.settle(intent.identity, self._check(instruction, intent.numbers))
        elif on_unknown == "resubmit":
            self.log.warning(
                "Submitting again (on_unknown='resubmit') though an earlier try may have been billed."
            )
            self.record.withdraw()
        else:
            raise self._unknown(intent, "an earlier try ended before an answer was on record")

    def reuse(self) -> str | None:
        """Return the id to go on with where these numbers were submitted before, else None."""
        task_id = self.record.task_id(self.identity)
        if task_id is None:
            return None
        instruction = self.instructions.take()
        if instruction == RESUBMIT:
            self.log.warning("Submitting again, as instructed; the numbers were billed as task %s.", task_id)
            self.record.forget(self.identity)
            return None
        if instruction is not None:
            found = self._check(instruction, self.submission.numbers)
            self.record.settle(self.identity, found)
            return found
        if self._has_failed(task_id):
            self.log.warning("Task %s of these numbers failed at the service: submitting them anew.", task_id)
            self.record.forget(self.identity)
            return None
        self.log.info(
            "These numbers were submitted before as task %s: nothing was sent, nothing is billed. To submit "
            "them again all the same, run `%s` and clear this task.",
            task_id,
            self.instructions.how_to.format(RESUBMIT),
        )
        return task_id

    def send(self) -> str:
        """Submit, and put the answer on record. What certainly was not accepted is repeated."""
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=pause_before_next_try,
            retry=retry_if_exception(worth_another_try),
            before_sleep=self._say_why,
            reraise=True,
        )
        task = retrying(self._send)
        # In the log first: should the memory be out of reach now, this line is all there is.
        self.log.info("%s accepted the numbers as task %s.", self.submission.host, task.task_id)
        try:
            self.record.settle(self.identity, task.task_id)
        except Exception:
            # The id is in hand, so the pipeline can go on; a retry will find the intent, and stop.
            self.log.exception("Task %s could not be put on record; keep its id.", task.task_id)
        return task.task_id

    def _send(self) -> Task:
        intent = self.record.intend(self.submission, self.identity)
        try:
            return self.service.submit()
        except CheckNumberError as error:
            if error.create_accepted is None:
                raise self._unknown(intent, str(error)) from None
            self.record.withdraw()
            raise

    def _say_why(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.log.warning("%s The numbers were not accepted and not billed; trying again.", error)

    def _check(self, task_id: str, numbers: int) -> str:
        """Look up the id that a person found before anything relies on it."""
        try:
            task = self.service.get_task(task_id)
        except CheckNumberError as error:
            raise InstructionError(f"The task id given for this submission cannot be used: {error}") from None
        if task.total > numbers:
            raise InstructionError(
                f"Task {task_id}, given for this submission, checks {task.total:,} numbers, but only "
                f"{numbers:,} were to be sent: it is another one. Give the right id."
            )
        self.log.info("Going on with task %s, as instructed; nothing was sent.", task_id)
        return task_id

    def _has_failed(self, task_id: str) -> bool:
        """Tell whether the task ended as failed. Where that cannot be asked, its id is the one to use."""
        try:
            return self.service.get_task(task_id).status is TaskStatus.FAILED
        except CheckNumberError as error:
            self.log.warning("Task %s is on record, but could not be looked up: %s", task_id, error)
            return False

    def _unknown(self, intent: Intent, happened: str) -> UnknownOutcomeError:
        how_to = self.instructions.how_to
        return UnknownOutcomeError(
            f"It is unknown whether {intent.numbers:,} numbers for {intent.task_type!r}, about to be sent to "
            f"{intent.host} at {intent.at}, were accepted and billed: {happened.rstrip('.')}. Nothing was sent "
            "again. Look in the service's dashboard for a task of that time and size. If it is there, run "
            f"`{how_to.format('<its id>')}`; if it is not, run `{how_to.format(RESUBMIT)}`. Then clear this task."
        )
