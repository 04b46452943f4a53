"""What is on record of a task's submissions, and where: one JSON document in a key-value memory.

The document holds no number. Two submissions are the same when their identities are: a salted, slow
hash over the list's fingerprint, the task type and the service, slow because the fingerprint of a very
short list could otherwise be found by trying all phone numbers.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from tenacity import Retrying, stop_after_attempt, wait_exponential

from airflow_provider_checknumber.billing.errors import RecordUnavailableError

#: Some 100 ms, paid once a submission and by whoever guesses for each guess. PBKDF2, as machines in FIPS
#: mode have no scrypt.
_HASH_ROUNDS = 200_000

#: How often the memory is tried, 1, 2 and 4 seconds apart: a database that restarts should not cost a
#: record, and a lost one costs a person's night.
_TRIES = 4

T = TypeVar("T")


class Memory(Protocol):
    """
    A place that keeps one text for one task instance, across its retries and clears.

    Submissions are sent, or not sent again, on the strength of it. So ``load`` says None only where there
    certainly is nothing, and ``save`` returns only once the text is kept. Whatever else, they raise.
    """

    def load(self) -> str | None:
        """Return the text, or None where nothing has been saved."""

    def save(self, document: str) -> None:
        """Keep the text in place of the one before."""


@dataclass(frozen=True)
class Submission:
    """
    What is to be submitted.

    :param fingerprint: what it is known by: of the numbers, independent of their order, or of the query that
        yields them.
    :param numbers: how many there are; 0 where they have not been counted yet.
    :param task_type: the service's name of the check.
    :param host: the service's host.
    :param counts: what a later try is to know of the list without reading it again; no numbers.
    """

    fingerprint: str
    numbers: int
    task_type: str
    host: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Intent:
    """
    A submission that was about to be sent, and of which no answer is on record.

    :param identity: which submission, see :meth:`Record.identity`.
    :param numbers: how many there were.
    :param task_type: the service's name of the check.
    :param host: the service's host.
    :param at: when, in UTC to the second.
    """

    identity: str
    numbers: int
    task_type: str
    host: str
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` reads."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Intent:
        """
        Read an intent.

        :raises ValueError: it is none.
        :raises TypeError: it is none.
        :raises KeyError: it is none.
        """
        at = datetime.fromisoformat(document["at"])
        if at.tzinfo is None or not isinstance(document["numbers"], int):
            raise ValueError("not an intent")
        texts = {name: str(document[name]) for name in ("identity", "task_type", "host")}
        return cls(numbers=document["numbers"], at=at, **texts)


class Record:
    """
    The document, read from its memory at once and saved on every change.

    :param memory: where it is kept.
    :raises RecordUnavailableError: the memory cannot be read.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._salt = secrets.token_hex(16)
        self._tasks: dict[str, str] = {}
        self._counts: dict[str, dict[str, int]] = {}
        #: The submission that is open.
        self.intent: Intent | None = None
        #: Whether what is in the memory is no such document: then nothing is known.
        self.damaged = False
        text = _patiently("be read", memory.load)
        if text is not None:
            self._parse(text)

    def identity(self, submission: Submission) -> str:
        """Return what makes ``submission`` the same as another one of this task instance."""
        text = json.dumps([submission.fingerprint, submission.task_type, submission.host])
        return hashlib.pbkdf2_hmac("sha256", text.encode(), self._salt.encode(), _HASH_ROUNDS, dklen=16).hex()

    def task_id(self, identity: str) -> str | None:
        """Return the service's id of the task that this submission became, or None."""
        return self._tasks.get(identity)

    def counts(self, identity: str) -> dict[str, int]:
        """Return the counts that this submission was sent with, empty where it had none."""
        return self._counts.get(identity, {})

    def intend(self, submission: Submission, identity: str) -> Intent:
        """
        Note that the submission is about to be sent, and return that note.

        :raises RecordUnavailableError: it could not be kept.
        """
        intent = self.intent = Intent(
            identity=identity,
            numbers=submission.numbers,
            task_type=submission.task_type,
            host=submission.host,
            at=datetime.now(UTC).replace(microsecond=0),
        )
        if submission.counts:
            self._counts[identity] = dict(submission.counts)
        self._save()
        return intent

    def settle(self, task_id: str, *identities: str) -> None:
        """
        Note the service's id of submissions, which are one task with one list; nothing is open any more.

        :raises RecordUnavailableError: it could not be kept.
        """
        self._tasks.update(dict.fromkeys(identities, task_id))
        if counts := next(filter(None, map(self.counts, reversed(identities))), None):
            self._counts.update(dict.fromkeys(identities, counts))
        self.intent = None
        self._save()

    def withdraw(self) -> None:
        """
        Note that the intended submission did not come about.

        :raises RecordUnavailableError: it could not be kept.
        """
        self.intent = None
        self._save()

    def forget(self, *identities: str) -> None:
        """
        Drop submissions, so that the same ones can be made anew.

        :raises RecordUnavailableError: it could not be kept.
        """
        for identity in identities:
            del self._tasks[identity]
            self._counts.pop(identity, None)
        self._save()

    def _parse(self, text: str) -> None:
        try:
            document: Any = json.loads(text)
            salt, tasks = str(document["salt"]), dict(document["tasks"])
            if not all(isinstance(task_id, str) for task_id in tasks.values()):
                raise ValueError("not a record")
            intent = Intent.from_json(document["intent"]) if document["intent"] is not None else None
            # Records of before there were counts have none.
            counts = {identity: dict(some) for identity, some in document.get("counts", {}).items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            self.damaged = True
            return
        self._salt, self._tasks, self._counts, self.intent = salt, tasks, counts, intent

    def _save(self) -> None:
        intent = self.intent.to_json() if self.intent else None
        document = json.dumps(
            {"salt": self._salt, "tasks": self._tasks, "counts": self._counts, "intent": intent}
        )
        _patiently("be kept", lambda: self._memory.save(document))
        self.damaged = False


def _patiently(what: str, call: Callable[[], T]) -> T:
    retrying = Retrying(stop=stop_after_attempt(_TRIES), wait=wait_exponential(), reraise=True)
    try:
        return retrying(call)
    except RecordUnavailableError:
        raise
    except Exception as error:
        raise RecordUnavailableError(
            f"The record of what this task has submitted could not {what} ({type(error).__name__}). Airflow's "
            "metadata database or API server has to answer first; then run the task again."
        ) from error
