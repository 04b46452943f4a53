"""The databases that loads are tested against, each behind the hook that a user has for it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mysql.connector
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.duckdb.hooks.duckdb import DuckDBHook
from airflow.providers.mysql.hooks.mysql import MySqlHook
from airflow.providers.postgres.hooks import postgres as postgres_provider
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.sqlite.hooks.sqlite import SqliteHook

from airflow_provider_checknumber.warehouse import databases as loaders
from tests.support.postgres import Postgres

CONN_ID = "warehouse"
MARIADB = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": ""}


@dataclass(frozen=True)
class Warehouse:
    """A database that is empty when a test gets it.

    :param name: as pytest shows it.
    :param make_hook: makes the hook that a user's DAG would get.
    :param quote: the database's quotes around identifiers.
    """

    name: str
    make_hook: Callable[[], DbApiHook]
    quote: str = '"'

    @property
    def generic(self) -> bool:
        """Whether it is loaded by plain SQL."""
        return self.name.startswith(("redshift", "generic"))

    @property
    def hook(self) -> DbApiHook:
        return self.make_hook()

    def run(self, sql: str, *, as_it_is: bool = False) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own; double quotes become the database's own."""
        with closing(self.hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql if as_it_is else sql.replace('"', self.quote))
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
            return rows

    def columns(self, table: str) -> list[str]:
        """The table's columns in their order."""
        with closing(self.hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            cursor.fetchall()
            return [column[0] for column in cursor.description]

    def count(self, table: str = "checks") -> int:
        return int(self.run(f'SELECT COUNT(*) FROM "{table}"')[0][0])


@contextmanager
def airflow_connection(connection: str, conn_id: str = CONN_ID) -> Iterator[None]:
    """The connection is known to Airflow, in this process and those it starts."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    os.environ[variable] = connection
    try:
        yield
    finally:
        del os.environ[variable]


@contextmanager
def sqlite(folder: Path) -> Iterator[Warehouse]:
    with airflow_connection(json.dumps({"conn_type": "sqlite", "host": str(folder / "warehouse.db")})):
        yield Warehouse("sqlite", lambda: SqliteHook(CONN_ID))


@contextmanager
def postgres(server: Postgres, *, psycopg: int | None = None) -> Iterator[Warehouse]:
    """PostgreSQL behind one of the two drivers that the postgres provider may have, by default its own choice."""
    chosen = postgres_provider.USE_PSYCOPG3
    if psycopg is None:
        psycopg = 3 if chosen else 2
    if psycopg == 3 and not chosen:
        pytest.skip("The postgres provider takes psycopg 3 from SQLAlchemy 2 on, which this Airflow has not.")
    postgres_provider.USE_PSYCOPG3 = psycopg == 3
    try:
        with server.new_database() as database, airflow_connection(database.airflow_connection):
            yield Warehouse(f"psycopg{psycopg}", lambda: PostgresHook(CONN_ID))
    finally:
        postgres_provider.USE_PSYCOPG3 = chosen


@contextmanager
def redshift(server: Postgres, *, psycopg: int) -> Iterator[Warehouse]:
    """PostgreSQL that says of itself, as Redshift does, that it is one."""
    with postgres(server, psycopg=psycopg) as warehouse:
        warehouse.run("CREATE SCHEMA claims")
        warehouse.run(
            "CREATE FUNCTION claims.version() RETURNS text LANGUAGE sql AS "
            "$$ SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.117891' $$"
        )
        name = warehouse.run("SELECT current_database()")[0][0]
        warehouse.run(f"ALTER DATABASE {name} SET search_path = public, claims, pg_catalog")
        yield Warehouse(f"redshift-psycopg{psycopg}", warehouse.make_hook)


@contextmanager
def generic_mariadb() -> Iterator[Warehouse]:
    """MariaDB, loaded as a database whose driver nobody here knows."""
    with pytest.MonkeyPatch.context() as patch, mariadb(local_infile=False) as warehouse:
        patch.setattr(loaders, "_BY_DRIVER", {})
        yield Warehouse("generic-mariadb", warehouse.make_hook, quote="`")


@contextmanager
def duckdb(folder: Path) -> Iterator[Warehouse]:
    with airflow_connection(json.dumps({"conn_type": "duckdb", "host": str(folder / "warehouse.duckdb")})):
        yield Warehouse("duckdb", lambda: DuckDBHook(duckdb_conn_id=CONN_ID))


@contextmanager
def mariadb(*, local_infile: bool, client: str = "mysql-connector-python") -> Iterator[Warehouse]:
    """A schema of its own on the server that answers at 127.0.0.1:3306; skips where none does.

    :param client: the driver, by the name that the mysql provider has for it.
    """
    if client == "mysqlclient":
        pytest.importorskip(
            "MySQLdb", reason="mysqlclient, which builds against system headers, is not there."
        )
    schema = f"test_{uuid.uuid4().hex}"
    try:
        server = mysql.connector.connect(**MARIADB, autocommit=True)
    except mysql.connector.Error as error:
        pytest.skip(f"No MariaDB answers at 127.0.0.1:3306 for root without a password ({error.errno}).")
    with closing(server), closing(server.cursor()) as cursor:
        cursor.execute(f"CREATE DATABASE {schema}")
        connection = {
            "conn_type": "mysql",
            "host": "127.0.0.1",
            "login": "root",
            "schema": schema,
            "extra": {"client": client},
        }
        try:
            with airflow_connection(json.dumps(connection)):
                yield Warehouse(
                    "mariadb",
                    lambda: MySqlHook(mysql_conn_id=CONN_ID, local_infile=local_infile),
                    quote="`",
                )
        finally:
            cursor.execute(f"DROP DATABASE {schema}")
