"""Databases: which loader a hook's connection gets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_checknumber.warehouse.databases.base import (
    LOCK_TIMEOUT,
    Database,
    Target,
    WriteDisposition,
)
from airflow_provider_checknumber.warehouse.databases.duckdb import DuckDbDatabase, is_held_by_another_process
from airflow_provider_checknumber.warehouse.databases.mysql import MySqlDatabase
from airflow_provider_checknumber.warehouse.databases.postgres import PostgresDatabase
from airflow_provider_checknumber.warehouse.databases.redshift import RedshiftDatabase
from airflow_provider_checknumber.warehouse.databases.sqlite import SqliteDatabase
from airflow_provider_checknumber.warehouse.errors import WarehouseBusyError, WarehouseUnreachableError

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

__all__ = ["Database", "Target", "WriteDisposition", "connect"]

#: By the driver that the hook's connection comes from: what a loader needs is its driver's interface,
#: which a hook's class or its connection type only hint at.
_BY_DRIVER: dict[str, type[Database]] = {
    "psycopg": PostgresDatabase,
    "psycopg2": PostgresDatabase,
    "sqlite3": SqliteDatabase,
    "_duckdb": DuckDbDatabase,
    "duckdb": DuckDbDatabase,
    "MySQLdb": MySqlDatabase,
    "mysql": MySqlDatabase,
    "pymysql": MySqlDatabase,
}
#: Seconds between two tries to open a file that another process holds.
_BETWEEN_TRIES = 0.2


def connect(hook: DbApiHook) -> Database:
    """
    Open a connection of the hook and return the loader for it.

    :raises WarehouseUnreachableError: when the hook could not open one.
    :raises WarehouseBusyError: when another process held a DuckDB file for too long.
    """
    connection = _open(hook)
    drivers = {ancestor.__module__.partition(".")[0] for ancestor in type(connection).__mro__}
    loader = next((loader for driver, loader in _BY_DRIVER.items() if driver in drivers), Database)
    database = loader(hook, connection)
    if loader is PostgresDatabase and _is_redshift(database):
        return RedshiftDatabase(hook, connection)
    return database


def _open(hook: DbApiHook) -> Any:
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return hook.get_conn()
        except Exception as error:
            # No row has been sent yet, so the driver's own words cannot hold one.
            if not is_held_by_another_process(error):
                raise WarehouseUnreachableError(
                    f"Connection {hook.get_conn_id()!r} could not be opened ({type(error).__name__}); "
                    "nothing was loaded."
                ) from error
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"Another process held the file of connection {hook.get_conn_id()!r} for "
                    f"{LOCK_TIMEOUT:.0f} seconds, so nothing was loaded: run the load again when it is done."
                ) from None
        time.sleep(_BETWEEN_TRIES)


def _is_redshift(database: Database) -> bool:
    """Redshift speaks PostgreSQL's protocol, but its ``COPY`` reads from S3 alone."""
    version = str(database.fetch("SELECT version()")[0][0])
    database.rollback()
    return "redshift" in version.casefold()
