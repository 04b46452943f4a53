"""What is on record of a task's submissions, and where: one JSON document in a key-value memory.

The document holds no number. Two submissions are the same when their identities are: a salted, slow
hash over the list's fingerprint, the task type and the service, slow because the fingerprint of a very
short list could otherwise be found by trying all phone numbers.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from airflow_provider_checknumber.billing.errors import UnreadableRecordError


class Memory(Protocol):
    """
    A place that keeps one text for one task instance, across its retries and clears.

    ``save`` returns only once the text is kept: a submission is sent on the strength of it.
    """

    def load(self) -> str | None:
        """Return the text, or None where nothing has been saved."""

    def save(self, document: str) -> None:
        """Keep the text in place of the one before."""


@dataclass(frozen=True)
class Submission:
    """
    What is to be submitted.

    :param fingerprint: of the numbers, independent of their order.
    :param numbers: how many there are.
    :param task_type: the service's name of the check.
    :param host: the service's host.
    """

    fingerprint: str
    numbers: int
    task_type: str
    host: str


@dataclass(frozen=True)
class Intent:
    """A submission that was about to be sent, and of which no answer is on record."""

    identity: str
    numbers: int
    task_type: str
    host: str
    at: str


class Record:
    """
    The document, read from its memory at once and saved on every change.

    :param memory: where it is kept.
    :raises UnreadableRecordError: what is there is not a document of this kind.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        text = memory.load()
        if text is None:
            self._salt, self._tasks = secrets.token_hex(16), dict[str, str]()
            self.intent: Intent | None = None
            return
        try:
            document: Any = json.loads(text)
            self._salt = str(document["salt"])
            self._tasks = {str(identity): str(task_id) for identity, task_id in document["tasks"].items()}
            self.intent = Intent(**document["intent"]) if document["intent"] else None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UnreadableRecordError(
                "The record of what this task has submitted cannot be read, so nothing was sent: mend or "
                "delete it once you have made sure in the service's dashboard what was billed."
            ) from None

    def identity(self, submission: Submission) -> str:
        """Return what makes ``submission`` the same as another one of this task instance."""
        text = json.dumps([submission.fingerprint, submission.task_type, submission.host])
        # 16 MB and some 50 ms a guess; paid once a submission.
        digest = hashlib.scrypt(text.encode(), salt=self._salt.encode(), n=2**14, r=8, p=1, dklen=16)
        return digest.hex()

    def task_id(self, identity: str) -> str | None:
        """Return the service's id of the task that this submission became, or None."""
        return self._tasks.get(identity)

    def intend(self, submission: Submission, identity: str) -> Intent:
        """Note that the submission is about to be sent."""
        intent = self.intent = Intent(
            identity=identity,
            numbers=submission.numbers,
            task_type=submission.task_type,
            host=submission.host,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._save()
        return intent

    def settle(self, identity: str, task_id: str) -> None:
        """Note the service's id of the submission; nothing is open any more."""
        self._tasks[identity] = task_id
        self.intent = None
        self._save()

    def withdraw(self) -> None:
        """Note that the intended submission did not come about."""
        self.intent = None
        self._save()

    def forget(self, identity: str) -> None:
        """Drop the submission, so that the same one can be made anew."""
        del self._tasks[identity]
        self._save()

    def _save(self) -> None:
        intent = asdict(self.intent) if self.intent else None
        self._memory.save(json.dumps({"salt": self._salt, "tasks": self._tasks, "intent": intent}))
