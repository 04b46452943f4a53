from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_checknumber.sandbox import Sandbox
from tests.sandbox.api import Api


@pytest.fixture
def sandbox_with(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Api]]:
    """Starts sandboxes with settings of the test's choice; without a queue unless it asks for one.

    Whatever a test does to it, a sandbox has no failure of its own to log.
    """
    with ExitStack() as stack:

        def start(**settings: object) -> Api:
            fast = {"speed": float("inf"), "queue_seconds": 0.0}
            return Api(stack.enter_context(Sandbox(**{**fast, **settings})))

        yield start
    for phase in ("call", "teardown"):
        assert [record for record in caplog.get_records(phase) if record.levelno >= logging.WARNING] == []


@pytest.fixture
def api(sandbox_with: Callable[..., Api]) -> Api:
    """A sandbox that is done with a task at once."""
    return sandbox_with()
