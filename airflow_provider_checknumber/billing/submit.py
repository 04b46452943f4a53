"""The state machine that lets a submission be billed once.

::

    nothing on record ──intend──▶ intent ──answer──▶ task id on record ──▶ returned from now on
           ▲                        │
           └── certainly refused ───┤
                                    └── anything else ──▶ unknown: a person decides

A create is billed when the service accepts it, has no idempotency key and cannot be looked up. So the
intent is on record before the request leaves and the id right after the answer; a later try that finds an
intent without an id does not know, and says so. What a failed request means is a property of its error
(``create_accepted`` in ``client.errors``):

================================================  ==========  ============================================
fault                                             accepted?   why
================================================  ==========  ============================================
refused, name not resolved, TLS, connect timeout  no          the body is read only once a connection stands
429                                               no          the service turned the request away
500                                               no          the service documents it as free
400, 401, 402, 403, 404, 413, redirect            no          documented or seen as free, no task is made
408, read timeout, reset after the body began     unknown     the service may have read all of it
502, 503, 504                                     unknown     a gateway gave up on the answer, not the request
2xx that cannot be read                           unknown     it says accepted, but not as which task
killed between intent and id                      unknown     as above, and nobody saw the answer
================================================  ==========  ============================================

What no record can rule out: a worker that is suspended between its intent and its request, and wakes up
after a person has looked, found nothing and allowed another submission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from airflow_provider_checknumber.billing.errors import (
    InstructionError,
    RecordUnavailableError,
    UnknownOutcomeError,
)
from airflow_provider_checknumber.billing.record import Intent, Memory, Record, Submission
from airflow_provider_checknumber.client.errors import CheckNumberError, CheckNumberPermanentError
from airflow_provider_checknumber.client.log import Log
from airflow_provider_checknumber.client.models import Task, TaskStatus
from airflow_provider_checknumber.client.timing import pause_before_next_try, worth_another_try

OnUnknown = Literal["fail", "resubmit"]

#: The instruction that allows one more submission; any other instruction is the id of a task.
RESUBMIT = "resubmit"

#: How often a create that was certainly not accepted is tried before its error is raised.
_ATTEMPTS = 5

#: How far the service's clock and a worker's may be apart.
_CLOCK_SKEW = timedelta(minutes=15)


class Recalled(NamedTuple):
    """
    A submission that is on record.

    :param task_id: the service's id of it.
    :param counts: the counts that it was sent with, empty where it had none.
    """

    task_id: str
    counts: Mapping[str, int]


class Instructions(Protocol):
    """A place where a person can say how to go on with one task instance."""

    def command(self, instruction: str) -> str:
        """Return the command that leaves ``instruction``, for messages."""

    def read(self) -> str | None:
        """Return the instruction, or None where there is none."""

    def remove(self) -> None:
        """Take the instruction away. Returns only once it cannot be read again, or raises."""


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
    :raises RecordUnavailableError: the record cannot be read or kept; nothing was sent.
    :raises CheckNumberError: the service certainly did not accept the submission, or, with
        ``on_unknown="resubmit"``, may have done so; or it could not be asked for a task that was given.
    """
    record = Record(memory)
    case = _Case(submission, record, record.identity(submission), instructions, service, on_unknown, log)
    return case.recall() or case.send()


def recall(
    submission: Submission,
    *,
    memory: Memory,
    instructions: Instructions,
    service: Service,
    on_unknown: OnUnknown,
    log: Log,
) -> Recalled | None:
    """
    Return the id that :func:`submit_once` would return without sending, None where it would send.

    For a submission that is known by something else than its numbers, before these have been read.

    :param submission: its ``numbers`` may be 0, for not counted yet.
    :raises CheckNumberError: as :func:`submit_once`; nothing was sent.
    """
    record = Record(memory)
    case = _Case(submission, record, record.identity(submission), instructions, service, on_unknown, log)
    task_id = case.recall()
    return None if task_id is None else Recalled(task_id, record.counts(case.identity))


def submit_each(
    batches: Sequence[tuple[Submission, Service]],
    *,
    memory: Memory,
    instructions: Instructions,
    on_unknown: OnUnknown,
    log: Log,
) -> list[str]:
    """
    Submit one list in several batches, each once; a later try goes on with the first that is not on record.

    :param batches: what is to be sent, with what sends it; no two the same.
    :return: the service's ids, in the order of the batches.
    :raises CheckNumberError: as :func:`submit_once`. Batches that were accepted before are on record.
    """
    record = Record(memory)
    cases = [
        _Case(submission, record, record.identity(submission), instructions, service, on_unknown, log)
        for submission, service in batches
    ]
    if len(cases) > 1:
        _follow_for_all(cases, record, instructions)
    # The open one first, for which a person may have left the id.
    is_open = [case for case in cases if record.intent and case.identity == record.intent.identity]
    found = {case.identity: case.recall() for case in is_open}
    return [found.get(case.identity) or case.recall() or case.send() for case in cases]


def _follow_for_all(cases: Sequence[_Case], record: Record, instructions: Instructions) -> None:
    """Follow an instruction that is about no single batch, or refuse it."""
    instruction = instructions.read()
    known = [case.identity for case in cases if record.task_id(case.identity) is not None]
    if record.intent is not None:
        about_all = all(case.identity != record.intent.identity for case in cases)
    else:
        about_all = bool(known) or record.damaged
    if instruction is None or not about_all:
        return
    if instruction != RESUBMIT:
        raise InstructionError(
            f"Task {instruction} was given for a list of {len(cases)} batches, and none of them is known to wait for "
            "an id. Nothing was sent. To submit the list as it is now, run "
            f"`{instructions.command(RESUBMIT)}`, then clear this task."
        )
    if record.intent is None and known:
        instructions.remove()
        cases[0].log.warning("Submitting all %d batches again, as instructed.", len(cases))
        record.forget(*known)


@dataclass(frozen=True)
class _Case:
    """One submission, and everything that the decisions about it need."""

    submission: Submission
    record: Record
    identity: str
    instructions: Instructions
    service: Service
    on_unknown: OnUnknown
    log: Log

    def recall(self) -> str | None:
        """Return the id to go on with, None where the numbers have to be sent."""
        if self.record.intent is not None or self.record.damaged:
            return self.resolve() or self.reuse()
        return self.reuse()

    def resolve(self) -> str | None:
        """Decide what became of an earlier submission without an answer on record, or stop."""
        instruction = self.instructions.read()
        if instruction is not None and instruction != RESUBMIT:
            return self._adopt(instruction)
        if instruction == RESUBMIT:
            self.instructions.remove()
        elif self.on_unknown == "fail":
            raise self._unknown("an earlier try ended before an answer was on record")
        reason = "as instructed" if instruction else "on_unknown='resubmit'"
        self.log.warning("Submitting again, %s, though an earlier try may have been billed.", reason)
        self.record.withdraw()
        return None

    def reuse(self) -> str | None:
        """Return the id to go on with where these numbers were submitted before, else None."""
        task_id = self.record.task_id(self.identity)
        if task_id is None:
            return None
        instruction = self.instructions.read()
        if instruction is not None and instruction != RESUBMIT:
            return self._adopt(instruction)
        if instruction == RESUBMIT:
            self.instructions.remove()
            self.log.warning("Submitting again, as instructed; the numbers were billed as task %s.", task_id)
        elif self._has_failed(task_id):
            self.log.warning("Task %s of these numbers failed at the service: submitting them anew.", task_id)
        else:
            self.log.info(
                "These numbers were submitted before as task %s: nothing was sent, nothing is billed. To "
                "submit them again all the same, run `%s` and clear this task.",
                task_id,
                self.instructions.command(RESUBMIT),
            )
            return task_id
        self.record.forget(self.identity)
        return None

    def send(self) -> str:
        """Submit, and put the answer on record. What certainly was not accepted is repeated."""
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=pause_before_next_try,
            retry=retry_if_exception(_certainly_refused_for_now),
            before_sleep=self._say_why,
            reraise=True,
        )
        task = retrying(self._send)
        # In the log first: should the memory be out of reach now, this line is all there is.
        self.log.info("%s accepted the numbers as task %s.", self.submission.host, task.task_id)
        try:
            self.record.settle(task.task_id, self.identity)
        except RecordUnavailableError:
            # The id is in hand, so the pipeline can go on; a later try will find the intent, and stop.
            self.log.exception("Task %s could not be put on record; keep its id.", task.task_id)
        return task.task_id

    def _send(self) -> Task:
        try:
            self.record.intend(self.submission, self.identity)
        except RecordUnavailableError:
            self._withdraw()  # Perhaps it was kept all the same, and would stop the next try for nothing.
            raise
        try:
            return self.service.submit()
        except CheckNumberError as error:
            if error.create_accepted is False:
                self._withdraw()
            elif self.on_unknown == "fail":
                raise self._unknown(str(error)) from None
            raise

    def _withdraw(self) -> None:
        # Where this fails, the next try takes the submission for unknown: a question too many, no bill.
        with suppress(RecordUnavailableError):
            self.record.withdraw()

    def _say_why(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.log.warning("%s The numbers were not accepted and not billed; trying again.", error)

    def _adopt(self, task_id: str) -> str:
        """Take a task that a person found for this submission, having looked it up, and return its id."""
        try:
            task = self.service.get_task(task_id)
        except CheckNumberPermanentError as error:
            raise InstructionError(
                f"The task id given for this submission cannot be used: {error} Nothing was sent. {self._give_another()}"
            ) from None
        intent = self.record.intent
        expected = intent.numbers if intent else self.submission.numbers
        if expected and task.total > expected:
            raise self._wrong_task(
                task_id, f"checks {task.total:,} numbers, but only {expected:,} were to be sent"
            )
        if intent and task.created_at and task.created_at < intent.at - _CLOCK_SKEW:
            raise self._wrong_task(
                task_id,
                f"was made at {_utc(task.created_at)}, before they were to be sent at {_utc(intent.at)}",
            )
        self.instructions.remove()
        # For the list as it is now, too: whoever gives an id does not expect another bill.
        self.record.settle(task_id, self.identity, *([intent.identity] if intent else []))
        self.log.info("Going on with task %s, as instructed; nothing was sent.", task_id)
        return task_id

    def _wrong_task(self, task_id: str, why: str) -> InstructionError:
        return InstructionError(
            f"Task {task_id}, given for this submission, {why}: it is another one. Nothing was sent. "
            f"{self._give_another()}"
        )

    def _give_another(self) -> str:
        return f"Give the right id with `{self.instructions.command('<its task id>')}`, then clear this task."

    def _has_failed(self, task_id: str) -> bool:
        """Tell whether the task ended as failed. Where that cannot be asked, its id is the one to use."""
        try:
            return self.service.get_task(task_id).status is TaskStatus.FAILED
        except CheckNumberError as error:
            self.log.warning("Task %s is on record, but could not be looked up: %s", task_id, error)
            return False

    def _unknown(self, happened: str) -> UnknownOutcomeError:
        intent = self.record.intent
        return UnknownOutcomeError(
            f"{_what_is_unknown(intent, self.submission, happened.rstrip('.'))} Nothing will be sent again until "
            "somebody has looked: sign in to the service's dashboard and look for a task of that size and time.\n"
            f"  It is there:      {self.instructions.command('<its task id>')}\n"
            f"  It is not there:  {self.instructions.command(RESUBMIT)}\n"
            "Run the one that fits (or set that Variable in Airflow's UI under Admin), then clear this task: it goes "
            f"on with that id, or submits once more{self._changed(intent)}."
        )

    def _changed(self, intent: Intent | None) -> str:
        if intent is None or intent.identity == self.identity:
            return ""
        submission = self.submission
        return (
            f", and then what it is to submit by now: {_numbers(submission.numbers)} for "
            f"{submission.task_type!r} to {submission.host}"
        )


def _what_is_unknown(intent: Intent | None, submission: Submission, happened: str) -> str:
    if intent is None:
        return (
            f"It is unknown whether {_numbers(submission.numbers)} for {submission.task_type!r} were accepted by "
            f"{submission.host} and billed: what is on record of this task's submissions cannot be read."
        )
    return (
        f"It is unknown whether {intent.numbers:,} numbers for {intent.task_type!r}, on their way to {intent.host} "
        f"at {_utc(intent.at)}, were accepted and billed: {happened}."
    )


def _numbers(count: int) -> str:
    return f"{count:,} numbers" if count else "the numbers"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _certainly_refused_for_now(error: BaseException) -> bool:
    return (
        worth_another_try(error)
        and isinstance(error, CheckNumberError)
        and error.create_accepted is False
        and not isinstance(error, RecordUnavailableError)
    )
