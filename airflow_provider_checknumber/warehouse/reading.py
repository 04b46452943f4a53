"""
Numbers out of a database, in constant memory: those that a query yields, and those that a table answers.

Not for writing (``loading``), nor for what a number is (``numbers``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_checknumber.client import CheckNumberPermanentError
from airflow_provider_checknumber.warehouse.columns import CHECKED_AT, NUMBER, TASK_TYPE, LoadColumn
from airflow_provider_checknumber.warehouse.databases import Database, connect
from airflow_provider_checknumber.warehouse.errors import TableError, WarehouseError, WarehouseRefusedError
from airflow_provider_checknumber.warehouse.names import PARAM, TableName

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

log = logging.getLogger(__name__)

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"

_FETCH = 16_384
#: Syntax errors and names that do not exist, in SQLSTATE: their text quotes the query and never a row.
_ABOUT_THE_QUERY = "42"


class QueryError(WarehouseError, CheckNumberPermanentError):
    """The query cannot be run as it is written."""


@contextmanager
def open_query(
    hook: DbApiHook, sql: str, parameters: Parameters | None = None
) -> Iterator[Iterator[Sequence[Any]]]:
    """
    Run a query and give its rows, which stay at the server until they are asked for where the driver can do that.

    :param hook: any ``DbApiHook``.
    :param sql: one ``SELECT``.
    :param parameters: what its placeholders stand for, in the driver's own style.
    :raises QueryError: the query cannot be run as it is written.
    :raises WarehouseError: the database could not be reached, or refused, here or while rows are read.
    """
    with closing(connect(hook)) as database, closing(_rows(database, sql, parameters)) as rows:
        yield (row for some in rows for row in some)


def answered_since(
    hook: DbApiHook,
    *,
    table: str,
    task_type: str,
    since: datetime,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Sequence[Sequence[Any]]]:
    """
    Yield the numbers that a table of results answers for a task type, as rows, some at a time.

    A row whose answer is NULL, not determined, counts: the service was asked. Where there is no such
    table there are none, which is logged.

    :param hook: any ``DbApiHook``.
    :param table: a table that ``load`` writes: ``table``, ``schema.table`` or ``catalogue.schema.table``.
    :param task_type: the service's name of the check, as it stands in the table.
    :param since: rows that were checked before this moment do not count.
    :param columns: ``number``, ``task_type`` and ``checked_at`` to their names in the table, as for ``load``.
    :raises QueryError: the table is no such table.
    :raises TableError: it cannot be told whether there is such a table.
    :raises WarehouseError: the database could not be reached, or refused.
    """
    name = TableName.parse(table)
    names = {role: role for role in (NUMBER, TASK_TYPE, CHECKED_AT)} | dict(columns or {})
    with closing(connect(hook)) as database:
        if _is_missing(database, name):
            log.warning("There is no table %s yet, so no number is left out.", name)
            return
        moment = LoadColumn(role=CHECKED_AT, name=names[CHECKED_AT], kind="timestamp", constant=since)
        number, type_, checked_at = (database.identifier(names[role]) for role in (NUMBER, TASK_TYPE, CHECKED_AT))
        sql = database.for_driver(
            f"SELECT {number} FROM {database.table(name)} WHERE {type_} = {PARAM} AND {checked_at} >= {PARAM}"
        )
        yield from _rows(database, sql, (task_type, database.value(moment)))


def _is_missing(database: Database, table: TableName) -> bool:
    """
    Tell whether there certainly is no such table.

    The generic loader takes every refusal for a missing table, a lost connection too. Believing that here
    would pay for all numbers again.
    """
    if database.describe(table) is not None:
        return False
    if type(database).describe is not Database.describe:
        return True
    try:
        from sqlalchemy import inspect

        return not inspect(database.hook.get_sqlalchemy_engine()).has_table(table.table, schema=table.schema)
    except Exception as error:
        raise TableError(
            f"It cannot be told whether there is a table {table} ({type(error).__name__}), so nothing was sent: make "
            "it if there is none yet, and let this connection read it."
        ) from None


def _rows(
    database: Database, sql: str, parameters: Parameters | None
) -> Iterator[Sequence[Sequence[Any]]]:
    try:
        with closing(_streaming_cursor(database)) as cursor:
            if parameters:
                cursor.execute(sql, parameters)
            else:
                cursor.execute(sql)
            while rows := cursor.fetchmany(_FETCH):
                yield [tuple(row.values()) for row in rows] if isinstance(rows[0], Mapping) else rows
    except database.driver_error as error:
        raise _refusal(database, error) from None


def _streaming_cursor(database: Database) -> Any:
    """Return a cursor that does not fetch all rows at once; most drivers' own one does not."""
    connection = database.connection
    drivers = {ancestor.__module__.partition(".")[0] for ancestor in type(connection).__mro__}
    if drivers & {"psycopg", "psycopg2"} and database.hook.supports_autocommit:
        # The server keeps a cursor no longer than its transaction.
        database.hook.set_autocommit(connection, False)
    name = f"checknumber_{uuid.uuid4().hex}"
    if "psycopg" in drivers:
        return connection.cursor(name=name, row_factory=import_module("psycopg.rows").tuple_row)
    if "psycopg2" in drivers:
        return connection.cursor(name=name, cursor_factory=import_module("psycopg2.extensions").cursor)
    for driver in ("MySQLdb", "pymysql"):
        if driver in drivers:
            return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    return connection.cursor()


def _refusal(database: Database, error: Exception) -> WarehouseError:
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
    fault = database.describe_fault(error)
    if code.startswith(_ABOUT_THE_QUERY) or getattr(error, "sqlite_errorname", None) == "SQLITE_ERROR":
        words = getattr(getattr(error, "diag", None), "message_primary", None) or str(error)
        return QueryError(f"{database.label} cannot run the query, so nothing was sent: {words} ({fault}).")
    return WarehouseRefusedError(f"{database.label} refused the query, so nothing was sent: {fault}.")
