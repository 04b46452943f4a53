"""Databases: which loader a hook's connection gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_checknumber.warehouse.databases.base import Database, Target, WriteDisposition
from airflow_provider_checknumber.warehouse.databases.postgres import PostgresDatabase
from airflow_provider_checknumber.warehouse.databases.sqlite import SqliteDatabase
from airflow_provider_checknumber.warehouse.errors import WarehouseUnreachableError

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

__all__ = ["Database", "Target", "WriteDisposition", "connect"]

#: By the driver that the hook's connection comes from: what a loader needs is its driver's interface,
#: which a hook's class or its connection type only hint at.
_BY_DRIVER: dict[str, type[Database]] = {
    "psycopg": PostgresDatabase,
    "psycopg2": PostgresDatabase,
    "sqlite3": SqliteDatabase,
}


def connect(hook: DbApiHook) -> Database:
    """
    Open a connection of the hook and return the loader for it.

    :raises WarehouseUnreachableError: when the hook could not open one.
    """
    try:
        connection = hook.get_conn()
    except Exception as error:
        # No row has been sent yet, so the driver's own words cannot hold one.
        raise WarehouseUnreachableError(
            f"Connection {hook.get_conn_id()!r} could not be opened ({type(error).__name__}); nothing was loaded."
        ) from error
    drivers = {ancestor.__module__.partition(".")[0] for ancestor in type(connection).__mro__}
    loader = next((loader for driver, loader in _BY_DRIVER.items() if driver in drivers), Database)
    database = loader(hook, connection)
    if loader is PostgresDatabase and _is_redshift(database):
        database = Database(hook, connection)
    return database


def _is_redshift(database: Database) -> bool:
    """Redshift speaks PostgreSQL's protocol, but its ``COPY`` reads from S3 alone."""
    version = str(database.fetch("SELECT version()")[0][0])
    database.rollback()
    return "redshift" in version.casefold()
