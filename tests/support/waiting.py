"""A sandbox with tasks to wait for, as the default connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_checknumber.client import CheckNumberClient, Endpoint
from airflow_provider_checknumber.sandbox import Sandbox
from tests.sandbox.api import until


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Exports a task as soon as it is submitted, unless a fault says otherwise."""
    with Sandbox(speed=float("inf"), queue_seconds=0) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def submit(sandbox: Sandbox, tmp_path) -> Callable[[], str]:
    """Submits three numbers and returns the task's id."""
    file = tmp_path / "numbers.txt"
    file.write_text("+12025550100\n+12025550101\n+12025550102\n")

    def submit() -> str:
        with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
            return client.submit_task(file, "Twitter").task_id

    return submit


@pytest.fixture
def exported(sandbox: Sandbox, submit: Callable[[], str]) -> str:
    """A task that is exported."""
    task_id = submit()
    until(lambda: sandbox.state()["tasks"], lambda tasks: tasks[-1]["status"] == "exported")
    return task_id


@pytest.fixture
def failed(sandbox: Sandbox, submit: Callable[[], str]) -> str:
    """A task that the service has ended as failed."""
    task_id = submit()
    sandbox.set_fault("task_status", status="failed", task_id=task_id)
    return task_id


@pytest.fixture
def stuck(sandbox: Sandbox, submit: Callable[[], str]) -> str:
    """A task that is processed for ever."""
    task_id = submit()
    sandbox.set_fault("task_status", status="processing", task_id=task_id, times=None)
    return task_id
