"""What ``submit_once`` is given, in memory: a memory, a desk for instructions, and a service that bills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_checknumber.billing import Submission, submit_once
from airflow_provider_checknumber.client import Task, TaskNotFoundError, TaskStatus

LIST = Submission(fingerprint="f" * 64, numbers=2049, task_type="Twitter", host="api.checknumber.ai")
OTHER_LIST = replace(LIST, fingerprint="e" * 64, numbers=2100)


class Killed(BaseException):
    """The worker is dead: nothing of this try runs after it."""


@dataclass
class InMemory:
    """A memory that can be cut off: ``broken`` is asked before each load and save, and may raise."""

    document: str | None = None
    broken: Callable[[str, str | None], None] = lambda kind, document: None
    kept: list[str] = field(default_factory=list)

    def load(self) -> str | None:
        self.broken("load", None)
        return self.document

    def save(self, document: str) -> None:
        self.broken("save", document)
        self.document = document
        self.kept.append(document)


@dataclass
class OneInstruction:
    instruction: str | None = None

    def command(self, instruction: str) -> str:
        return f"instruct {instruction}"

    def read(self) -> str | None:
        return self.instruction

    def remove(self) -> None:
        self.instruction = None


@dataclass
class BillingService:
    """Accepts and bills, unless ``faults`` has something else for the next create; they are used up in order."""

    faults: list[Callable[[], Any]] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    calls: int = 0
    lookup_error: Exception | None = None

    def accept(self, **task: Any) -> Task:
        task_id = f"task-{len(self.tasks) + 1}"
        made = {"total": LIST.numbers, "created_at": datetime.now(UTC), **task}
        self.tasks[task_id] = Task(task_id=task_id, status=TaskStatus.PENDING, **made)
        return self.tasks[task_id]

    def end(self, task_id: str, status: TaskStatus) -> None:
        self.tasks[task_id] = replace(self.tasks[task_id], status=status)

    def submit(self) -> Task:
        self.calls += 1
        return self.faults.pop(0)() if self.faults else self.accept()

    def get_task(self, checknumber_task_id: str) -> Task:
        if self.lookup_error is not None:
            raise self.lookup_error
        if checknumber_task_id not in self.tasks:
            raise TaskNotFoundError(f"knows no task {checknumber_task_id!r}.")
        return self.tasks[checknumber_task_id]


@dataclass
class Lines:
    """A log."""

    lines: list[str] = field(default_factory=list)

    def _log(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    info = warning = exception = _log

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Airflow:
    """One task instance: its memory, its instructions, and the tries that are made of it."""

    service: BillingService = field(default_factory=BillingService)
    memory: InMemory = field(default_factory=InMemory)
    instructions: OneInstruction = field(default_factory=OneInstruction)
    log: Lines = field(default_factory=Lines)

    def run(self, submission: Submission = LIST, *, on_unknown: Any = "fail") -> str:
        return submit_once(
            submission,
            memory=self.memory,
            instructions=self.instructions,
            service=self.service,
            on_unknown=on_unknown,
            log=self.log,
        )

    @property
    def charges(self) -> int:
        return len(self.service.tasks)


def raising(error: BaseException) -> Callable[[], Any]:
    def fault() -> Any:
        raise error

    return fault
