"""Databases to load into, each real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.postgres import Postgres, postgres_server
from tests.warehouse import databases
from tests.warehouse.databases import Warehouse

_Open = Callable[[pytest.FixtureRequest], AbstractContextManager[Warehouse]]

#: Every loader, with each driver that it can meet.
_WAREHOUSES: dict[str, _Open] = {
    "sqlite": lambda request: databases.sqlite(request.getfixturevalue("tmp_path")),
    "postgres": lambda request: databases.postgres(request.getfixturevalue("postgres_server")),
    "psycopg3": lambda request: databases.postgres(request.getfixturevalue("postgres_server"), psycopg=3),
    "psycopg2": lambda request: databases.postgres(request.getfixturevalue("postgres_server"), psycopg=2),
    "duckdb": lambda request: databases.duckdb(request.getfixturevalue("tmp_path")),
    "mariadb": lambda _: databases.mariadb(local_infile=True),
    "mariadb-inserts": lambda _: databases.mariadb(local_infile=False),
    "mysqlclient": lambda _: databases.mariadb(local_infile=True, client="mysqlclient"),
    "redshift3": lambda request: databases.redshift(request.getfixturevalue("postgres_server"), psycopg=3),
    "redshift2": lambda request: databases.redshift(request.getfixturevalue("postgres_server"), psycopg=2),
    "generic-mariadb": lambda _: databases.generic_mariadb(),
}


@pytest.fixture(scope="session", name="postgres_server")
def _postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server for the session."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=[name for name in _WAREHOUSES if name != "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """Each database in turn, empty."""
    with _WAREHOUSES[request.param](request) as database:
        yield database


@pytest.fixture(
    params=["sqlite", "psycopg3", "psycopg2", "duckdb", "mariadb", "mariadb-inserts", "mysqlclient"]
)
def locking_warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Each database with a loader of its own in turn, empty."""
    with _WAREHOUSES[request.param](request) as database:
        yield database


@pytest.fixture(params=["redshift3", "redshift2", "generic-mariadb"])
def generic_warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Each database that is loaded by plain SQL in turn, empty."""
    with _WAREHOUSES[request.param](request) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres", "duckdb", "mariadb"])
def bulk_warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Each database with a bulk loader in turn, behind one driver, empty."""
    with _WAREHOUSES[request.param](request) as database:
        yield database
