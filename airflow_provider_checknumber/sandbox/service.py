"""The service behind the endpoints: tasks and how far they are, the ledger, the calls. Knows no HTTP.

Everything here is kept in memory and ends with the sandbox, except lists and results, which are files in
one private directory. Methods are for the sandbox's event loop unless they say otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import string
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_checknumber.sandbox.answers import Answers
from airflow_provider_checknumber.sandbox.archive import answers_for, damage, write_results
from airflow_provider_checknumber.sandbox.batches import Batch, distill
from airflow_provider_checknumber.sandbox.faults import FaultBoard
from airflow_provider_checknumber.sandbox.links import LinkSigner
from airflow_provider_checknumber.sandbox.settings import SandboxSettings

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
#: How many of the newest calls are kept one by one; the counts have no such limit.
_RECENT_CALLS = 1_000


class SandboxClosedError(Exception):
    """The sandbox was closed while work was going on."""


@dataclass(kw_only=True)
class SandboxTask:
    """An accepted task.

    ``numbers`` is the list until its ``results`` are written; ``read_late`` hides the total as long as the
    task is pending; ``failed_at`` is set once the task has failed for good.
    """

    task_id: str
    task_type: str
    batch: Batch
    created_ns: int
    numbers: Path
    read_late: bool
    results: Path | None = None
    failed_at: float | None = None
    polls: int = 0
    downloads: int = 0


class Service:
    """One sandboxed account of the service.

    :param settings: Its make-up.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.faults = FaultBoard()
        self.links = LinkSigner(ttl=settings.link_ttl)
        self.tasks: dict[str, SandboxTask] = {}
        self.charges: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.recent_calls: deque[dict[str, Any]] = deque(maxlen=_RECENT_CALLS)
        self.keys_seen: Counter[str] = Counter()
        self.connections_opened = 0
        # By way of str, so that 0.0001 is a ten-thousandth and not the float nearest to it.
        self._balance, self._price = Decimal(str(settings.balance)), Decimal(str(settings.price))
        self._user_id = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(20))
        self._task_numbers = count(secrets.randbelow(2**20))
        self._machine = secrets.token_bytes(5)
        self._closed = threading.Event()
        self._directory = tempfile.TemporaryDirectory(prefix="checknumber-sandbox-")
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="checknumber-sandbox")

    @property
    def balance(self) -> float:
        """The account's money."""
        return float(self._balance)

    def close(self) -> None:
        """Stop the work in the background and remove all files. Blocks until that is done."""
        self._closed.set()
        self._threads.shutdown(cancel_futures=True)
        self._directory.cleanup()

    def new_file(self) -> Path:
        """Return a path in the private directory at which nothing is yet."""
        return Path(self._directory.name, secrets.token_hex(8))

    async def distill(self, upload: Path, task_type: str) -> tuple[Path, Batch]:
        """Return the list of the numbers that count in an upload, and what it came to."""
        numbers = self.new_file()
        # The contract tells that some task types take e-mail addresses, and not which; here it is by name.
        emails = "mail" in task_type.lower()
        work = partial(
            distill, upload, numbers, answers=self._answers(task_type), emails=emails, check=self._check_open
        )
        return numbers, await self._in_thread(work)

    def affords(self, batch: Batch) -> bool:
        """Whether the balance is enough for a batch."""
        return batch.numbers * self._price <= self._balance

    def accept(self, *, task_type: str, numbers: Path, batch: Batch, read_late: bool) -> SandboxTask:
        """Bill a batch, make it a task, and start to write its results."""
        now = time.time_ns()
        task = SandboxTask(
            task_id=self._new_task_id(now),
            task_type=task_type,
            batch=batch,
            created_ns=now,
            numbers=numbers,
            read_late=read_late,
        )
        amount = batch.numbers * self._price
        self._balance -= amount
        self.tasks[task.task_id] = task
        self.charges.append(
            {
                "task_id": task.task_id,
                "numbers": batch.numbers,
                "amount": float(amount),
                "task_type": task_type,
                "at": nanoseconds(now),
            }
        )
        self._threads.submit(self._write_results, task)
        return task

    def view(self, task: SandboxTask) -> dict[str, Any]:
        """Return how far a task is, with the documented fields in the documented order; no link."""
        status, processed, updated = self._progress(task)
        failure = task.batch.failures * processed // task.batch.numbers
        return {
            "created_at": milliseconds(task.created_ns / 1e9),
            "updated_at": milliseconds(updated),
            "task_id": task.task_id,
            "user_id": self._user_id,
            "status": status,
            "total": 0 if task.read_late and status == "pending" else task.batch.numbers,
            "success": processed - failure,
            "failure": failure,
        }

    def fail(self, task: SandboxTask) -> None:
        """Let a task fail for good."""
        task.failed_at = task.failed_at or time.time()

    async def damaged(self, results: Path, kind: str) -> Path:
        """Return a damaged copy of a result file, see :func:`archive.damage`."""
        return await self._in_thread(partial(damage, results, kind=kind))

    def state(self) -> dict[str, Any]:
        """Return what ``GET /_sandbox/state`` tells. It holds no number, no key and no link.

        - ``tasks``: each as ``gettasks`` tells it, with its true total, its type, how many lines were
          ``duplicates`` and ``invalid``, and how many ``polls`` and ``downloads`` there were;
        - ``charges``: the ledger, one entry for each accepted create; ``balance`` is what is left;
        - ``calls``: how many there were to each endpoint; ``recent_calls``: the newest thousand, each with
          the status it was answered with (null for none) and whether it had an API key;
        - ``connections_opened``: TCP connections so far, those for ``/_sandbox`` too;
        - ``result_calls_with_api_key``, ``redirected_calls``, ``redirected_calls_with_api_key``: what a
          client should leave undone;
        - ``faults``: those that will still strike or hold a request.
        """
        return {
            "service": self.settings.service,
            "balance": self.balance,
            "tasks": [self._task_state(task) for task in self.tasks.values()],
            "charges": [dict(charge) for charge in self.charges],
            "calls": dict(self.calls),
            "recent_calls": [dict(call) for call in self.recent_calls],
            "connections_opened": self.connections_opened,
            "result_calls_with_api_key": self.keys_seen["result"],
            "redirected_calls": self.calls["redirected"],
            "redirected_calls_with_api_key": self.keys_seen["redirected"],
            "faults": [fault.as_json() for fault in self.faults.active()],
        }

    def _task_state(self, task: SandboxTask) -> dict[str, Any]:
        return {
            **self.view(task),
            "task_type": task.task_type,
            "total": task.batch.numbers,
            "duplicates": task.batch.duplicates,
            "invalid": task.batch.invalid,
            "polls": task.polls,
            "downloads": task.downloads,
        }

    def _progress(self, task: SandboxTask) -> tuple[str, int, float]:
        """Return status, numbers processed, and when that was last updated in seconds since the epoch."""
        created, total = task.created_ns / 1e9, task.batch.numbers
        now = task.failed_at or time.time()
        elapsed = now - created - self.settings.queue_seconds
        processed = int(min(total, elapsed * self.settings.speed)) if elapsed > 0 else 0
        if task.failed_at is not None:
            return "failed", processed, now
        if elapsed < 0:
            return "pending", 0, created
        if processed < total or task.results is None:
            return "processing", processed, now
        return (
            "exported",
            total,
            min(now, created + self.settings.queue_seconds + total / self.settings.speed),
        )

    def _write_results(self, task: SandboxTask) -> None:
        """Write a task's result file; runs in a thread."""
        shape = self.settings.result_shape
        target = task.numbers.with_suffix(".csv" if "csv" in shape else ".zip")
        try:
            write_results(
                task.numbers,
                target,
                task_id=task.task_id,
                answers=self._answers(task.task_type),
                shape=shape,
                check=self._check_open,
            )
        except SandboxClosedError:
            return
        except Exception:
            _log.exception("The results of task %s could not be written, so the task fails.", task.task_id)
            self.fail(task)
            return
        task.results = target
        task.numbers.unlink()

    def _answers(self, task_type: str) -> Answers:
        return answers_for(
            task_type, undetermined=self.settings.undetermined, shape=self.settings.result_shape
        )

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise SandboxClosedError

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _new_task_id(self, now_ns: int) -> str:
        """Return an id as the service makes them: 12 bytes (time, machine, counter) in base32."""
        counter = next(self._task_numbers) % 2**24
        raw = (now_ns // 10**9).to_bytes(4, "big") + self._machine + counter.to_bytes(3, "big")
        return base64.b32hexencode(raw).decode().rstrip("=").lower()


def nanoseconds(epoch_ns: int) -> str:
    """Return a time as the service gives it for a create: RFC 3339, UTC, nine digits."""
    seconds, fraction = divmod(epoch_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"


def milliseconds(epoch: float) -> str:
    """Return a time as the service gives it for a task: RFC 3339, UTC, three digits."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
