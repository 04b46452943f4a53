"""Fixtures: a sandbox as the default connection, tasks of it to load, and a SQLite database to load into."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_checknumber.client import CheckNumberClient, Endpoint
from airflow_provider_checknumber.sandbox import Sandbox
from tests.support.waiting import failed, sandbox, stuck, submit
from tests.warehouse import databases
from tests.warehouse.databases import Warehouse

__all__ = ["failed", "sandbox", "stuck", "submit"]


@pytest.fixture
def exported(sandbox: Sandbox, submit: Callable[[], str]) -> str:
    """A task that is exported."""
    task_id = submit()
    with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
        while client.get_task(task_id).result_url is None:
            time.sleep(0.01)
    return task_id


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty SQLite database behind the connection ``warehouse``."""
    with databases.sqlite(tmp_path) as database:
        yield database
