"""What the service says of a task, as typed values. Not for: talking to it (see ``protocol``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum


class TaskStatus(StrEnum):
    """
    Where a task stands.

    ``pending``, ``processing`` and ``exported`` are documented by the service; ``failed`` is seen in
    practice. ``UNKNOWN`` is any other word: a task in it is waited for, never given up.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    EXPORTED = "exported"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether the status will not change any more."""
        return self in (TaskStatus.EXPORTED, TaskStatus.FAILED)


@dataclass(frozen=True)
class Amount:
    """A sum of money as the service writes it, e.g. ``{"amount": "0.18", "currency": "USD"}``."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True)
class Task:
    """
    One check of one list, as the service described it in one answer.

    :param task_id: the service's id of the task (everywhere else ``checknumber_task_id``).
    :param status: where the task stands.
    :param raw_status: the service's own word for it, which matters where ``status`` is unknown.
    :param total: numbers that the service took from the list; 0 until it has read the file.
    :param success: numbers identified so far.
    :param failure: numbers whose check failed so far.
    :param created_at: when the task was made, UTC, or None where the answer does not say.
    :param updated_at: when it last changed, UTC, or None.
    :param user_id: the account, or None.
    :param message: the service's sentence about a new task, or None.
    :param result_url: pre-signed link to the result, once exported. Whoever holds it can read the
        numbers, so it is kept out of ``repr`` and must stay out of logs and XComs.
    :param estimated_amount: what the task is expected to cost, where the deployment says so.
    :param actual_amount: what it did cost, where the deployment says so.
    """

    task_id: str
    status: TaskStatus
    raw_status: str = ""
    total: int = 0
    success: int = 0
    failure: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    user_id: str | None = None
    message: str | None = None
    result_url: str | None = field(default=None, repr=False)
    estimated_amount: Amount | None = None
    actual_amount: Amount | None = None

    @property
    def taken_at(self) -> datetime:
        """When the service took the list, as far as it says; now, where it says nothing."""
        # Not updated_at first: that may change after the export, and a second load would write other rows.
        return self.created_at or self.updated_at or datetime.now(UTC)

    @property
    def processed(self) -> int:
        """Numbers that the service is done with, identified or failed."""
        return self.success + self.failure

    @property
    def progress(self) -> float | None:
        """Share of the numbers that are done, 0.0 to 1.0, or None until the service knows how many."""
        return min(self.processed / self.total, 1.0) if self.total > 0 else None
