"""Runs ten thousand triggers of one kind in Airflow's own trigger runner and measures its process.

Not for: the comparison (``waiting`` does that). Started by ``waiting`` as a process of its own, with an
Airflow home of its own; the runner is the child that Airflow's supervisor forks. What the supervisor reads
from the metadata database in a deployment, it is handed here.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import ssl
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from airflow.executors.workloads import RunTrigger
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.jobs.triggerer_job_runner import TriggerRunner, TriggerRunnerSupervisor
from airflow.models.trigger import Trigger
from airflow.triggers.base import BaseTrigger, TriggerEvent

#: As many as a triggerer takes over at a time in a deployment that has raised ``max_trigger_to_select_per_loop``.
CHUNK = 250

#: What the first triggers load (modules, certificates) is no trigger's own.
WARM_UP, WARM_UP_SECONDS = 50, 10.0


class IdleTrigger(BaseTrigger):
    """Waits and asks nothing: Airflow's own share in the cost of a trigger."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.IdleTrigger", {}

    async def run(self) -> Any:
        await asyncio.Event().wait()
        yield TriggerEvent(None)


class MeasuredRunner(TriggerRunner):
    """Airflow's trigger runner, which measures itself and then stops."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self._settings = settings
        self._blocked = 0.0
        self._blocked_by_triggers = 0.0
        self._collected = 0.0
        self._collecting_since: float | None = None

    async def arun(self) -> None:
        gc.callbacks.append(self._on_collection)
        tasks = [asyncio.create_task(self._measure()), asyncio.create_task(self._watch())]
        await super().arun()
        for task in tasks:
            task.cancel()

    async def _measure(self) -> None:
        count, interval, window = (self._settings[name] for name in ("triggers", "interval", "window"))
        await self._until(min(WARM_UP, count))
        await asyncio.sleep(WARM_UP_SECONDS)
        empty, at_warm_up = _resident(), len(self.triggers)
        await self._until(count)
        await asyncio.sleep(interval + 5)  # Until each has asked once.
        full = _resident()
        before, cpu, clock = await self._sandbox(), time.process_time(), time.monotonic()
        await asyncio.sleep(window)
        cpu, clock = time.process_time() - cpu, time.monotonic() - clock
        after = await self._sandbox()
        polls = after["calls"].get("gettasks", 0) - before["calls"].get("gettasks", 0)
        result = {
            "triggers": len(self.triggers),
            "polls": polls,
            "seconds": clock,
            "cpu_seconds": cpu,
            "memory_per_trigger": (full - empty) / max(count - at_warm_up, 1),
            "longest_block": self._blocked,
            "longest_block_by_triggers": self._blocked_by_triggers,
            "connections_opened": after["connections_opened"],
        }
        Path(self._settings["result"]).write_text(json.dumps(result))  # noqa: ASYNC240 - it is over
        self.stop = True

    async def _until(self, count: int) -> None:
        while len(self.triggers) < count:  # noqa: ASYNC110 - the runner has no event for it
            await asyncio.sleep(0.2)

    async def _watch(self) -> None:
        """Note the longest time for which the loop has run nothing else, and without Python's garbage collection."""
        while True:
            clock, collected = time.monotonic(), self._collection_time()
            await asyncio.sleep(0.01)
            blocked = time.monotonic() - clock - 0.01
            collecting = self._collection_time() - collected
            self._blocked = max(self._blocked, blocked)
            self._blocked_by_triggers = max(self._blocked_by_triggers, blocked - collecting)

    def _collection_time(self) -> float:
        # One in another thread may be over and not yet counted.
        since = self._collecting_since
        return self._collected + (time.monotonic() - since if since is not None else 0.0)

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_since = time.monotonic()
        elif self._collecting_since is not None:
            self._collected += time.monotonic() - self._collecting_since
            self._collecting_since = None

    async def _sandbox(self) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            trusted = ssl.create_default_context(cafile=self._settings["trusted"])
            with urllib.request.urlopen(f"{self._settings['url']}/_sandbox/state", context=trusted) as answer:
                return json.load(answer)  # type: ignore[no-any-return]

        return await asyncio.to_thread(ask)


class Supervisor(TriggerRunnerSupervisor):
    """Airflow's supervisor, which gets its triggers from here instead of a metadata database."""

    @classmethod
    def run_in_process(cls) -> None:
        MeasuredRunner(json.loads(os.environ["CHECKNUMBER_BENCHMARK"])).run()

    #: When the rest follows the first few, on the monotonic clock.
    goes_on_at = 0.0

    def load_triggers(self) -> None:
        if self.creating_triggers or time.monotonic() < self.goes_on_at:
            return
        chunk = CHUNK
        if not self.goes_on_at:
            chunk, self.goes_on_at = WARM_UP, time.monotonic() + WARM_UP_SECONDS + 5
        for _ in range(min(self.capacity - len(self.running_triggers), chunk)):
            self.creating_triggers.append(next(WORKLOADS))

    def heartbeat(self) -> None:
        """There is no job to keep alive."""

    def clean_unused(self) -> None:
        """There is no metadata database."""

    def metric_tags(self) -> dict[str, str]:
        return {"hostname": "benchmark"}

    def on_trigger_event(self, trigger_id: int, event: TriggerEvent) -> None:
        raise AssertionError(f"Trigger {trigger_id} was to wait: {event}")

    def on_trigger_failure(self, trigger_id: int, exc: list[str] | None) -> None:
        raise AssertionError(f"Trigger {trigger_id} was to wait: {''.join(exc or [])}")


def workloads(classpath: str, kwargs: dict[str, Any]) -> Any:
    """Yield what a supervisor tells its runner of a deferred task, as often as it is asked to."""
    encrypted, version = Trigger.encrypt_kwargs(kwargs), uuid4()
    number = 0
    while True:
        number += 1
        yield RunTrigger(
            id=number,
            classpath=classpath,
            encrypted_kwargs=encrypted,
            ti=TaskInstanceDTO(
                id=uuid4(),
                task_id="wait",
                dag_id="benchmark",
                run_id=f"backfill__{number:05}",
                try_number=1,
                dag_version_id=version,
                pool_slots=1,
                priority_weight=1,
            ),
        )


WORKLOADS: Any = None


def main() -> None:
    global WORKLOADS  # noqa: PLW0603 - Airflow makes the supervisor, so nothing can be handed to it
    settings = json.loads(os.environ["CHECKNUMBER_BENCHMARK"])
    kwargs = settings["kwargs"]
    if "started_at" in kwargs:
        kwargs["started_at"] = datetime.fromisoformat(kwargs["started_at"])
    WORKLOADS = workloads(settings["classpath"], kwargs)
    supervisor = Supervisor.start(job=None, capacity=settings["triggers"], logger=structlog.get_logger())
    while supervisor.is_alive():
        supervisor.run_once()


def _resident() -> int:
    """Return the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
