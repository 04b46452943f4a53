"""Fixtures: a sandbox as the default connection, tasks of it to load, and a SQLite database to load into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import exported, failed, sandbox, stuck, submit
from tests.warehouse import databases
from tests.warehouse.databases import Warehouse

__all__ = ["exported", "failed", "sandbox", "stuck", "submit"]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """An empty SQLite database behind the connection ``warehouse``."""
    with databases.sqlite(tmp_path) as database:
        yield database
