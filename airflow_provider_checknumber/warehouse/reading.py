"""
Numbers out of a database, in constant memory: those that a query yields, and those that a table answers.

Not for writing (``loading``), nor for what a number is (``numbers``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_checknumber.client import CheckNumberPermanentError
from airflow_provider_checknumber.warehouse.columns import CHECKED_AT, NUMBER, TASK_TYPE, LoadColumn
from airflow_provider_checknumber.warehouse.databases import Database, connect
from airflow_provider_checknumber.warehouse.databases.drivers import fault_code
from airflow_provider_checknumber.warehouse.databases.duckdb import DuckDbDatabase
from airflow_provider_checknumber.warehouse.errors import TableError, WarehouseError, WarehouseRefusedError
from airflow_provider_checknumber.warehouse.names import PARAM, TableName

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

log = logging.getLogger(__name__)

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"

_FETCH = 16_384
#: Syntax errors and names that do not exist, in SQLSTATE: their text quotes the query and never a row.
_ABOUT_THE_QUERY = "42"
#: The same where MySQL's drivers tell no SQLSTATE: an unknown column, a syntax error, an unknown table.
_MYSQL_ABOUT_THE_QUERY = frozenset({1054, 1064, 1146})


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
    with closing(_connect(hook)) as database, closing(_rows(database, sql, parameters)) as rows:
        yield (row for some in rows for row in some)


def answered_since(
    hook: DbApiHook,
    *,
    table: str,
    task_type: str,
    since: datetime,
    columns: Mapping[str, str] | None = None,
) -> Generator[Sequence[Sequence[Any]]]:
    """
    Yield the numbers that a table of results answers for a task type, as rows, some at a time.

    A row whose answer is NULL, not determined, counts: the service was asked. Where there is no such
    table there are none, which is logged.

    :param hook: any ``DbApiHook``.
    :param table: a table that ``load`` writes: ``table``, ``schema.table`` or ``catalogue.schema.table``.
    :param task_type: the service's name of the check, as it stands in the table.
    :param since: rows that were checked before this moment do not count.
    :param columns: ``number``, ``task_type`` and ``checked_at`` to their names in the table, as for ``load``.
    :raises TableError: the table lacks one of these columns, or it cannot be told whether there is one.
    :raises WarehouseError: the database could not be reached, or refused.
    """
    name = TableName.parse(table)
    with closing(_connect(hook)) as database:
        there = _describe(database, name)
        if there is None:
            log.warning("There is no table %s yet, so no number is left out.", name)
            return
        wanted = {role: role for role in (NUMBER, TASK_TYPE, CHECKED_AT)} | dict(columns or {})
        named = {role: _spelling(database, name, there, column) for role, column in wanted.items()}
        number, kind, checked_at = (
            database.identifier(named[role]) for role in (NUMBER, TASK_TYPE, CHECKED_AT)
        )
        moment = LoadColumn(role=CHECKED_AT, name=named[CHECKED_AT], kind="timestamp", constant=since)
        sql = database._for_driver(
            f"SELECT {number} FROM {database.table(name)} WHERE {kind} = {PARAM} AND {checked_at} >= {PARAM}"
        )
        yield from _rows(database, sql, (task_type, database.value(moment)))


def _connect(hook: DbApiHook) -> Database:
    database = connect(hook)
    if _drivers(database) & {"psycopg", "psycopg2"} and hook.supports_autocommit:
        # PostgreSQL keeps a cursor no longer than its transaction.
        hook.set_autocommit(database.connection, False)
    return database


def _drivers(database: Database) -> set[str]:
    return {ancestor.__module__.partition(".")[0] for ancestor in type(database.connection).__mro__}


def _describe(database: Database, table: TableName) -> Collection[str] | None:
    """
    Return the names of a table's columns, None where there certainly is no such table.

    The generic loader takes every refusal for a missing table, a lost connection too. Believing that here
    would pay for all numbers again.
    """
    if isinstance(database, DuckDbDatabase):
        database.execute("BEGIN TRANSACTION")  # To be rolled back where the table is missing.
    there = database.describe(table)
    if there is not None or type(database).describe is not Database.describe:
        return there
    try:
        from sqlalchemy import inspect

        missing = not inspect(database.hook.get_sqlalchemy_engine()).has_table(table.table, table.schema)
        why = "it is there, and this connection may not read it"
    except Exception as error:
        missing = False
        why = f"asking for it ended with {type(error).__name__}"
    if missing:
        return None
    raise TableError(
        f"It cannot be told what table {table} answers ({why}), so nothing was sent: make it if there is none yet, "
        "and let this connection read it."
    )


def _spelling(database: Database, table: TableName, there: Collection[str], column: str) -> str:
    """Return the table's own spelling of a column's name."""
    if column in there:
        return column
    if database.folds_case:
        for name in there:
            if name.casefold() == column.casefold():
                return name
    raise TableError(
        f"Table {table} has no column {column!r}, which tells what it answers; nothing was sent. If a load has renamed "
        "it, say so as in its own columns={…}."
    )


def _rows(database: Database, sql: str, parameters: Parameters | None) -> Generator[Sequence[Sequence[Any]]]:
    try:
        cursor = _streaming_cursor(database)
        try:
            if parameters:
                cursor.execute(sql, parameters)
            else:
                cursor.execute(sql)
            while rows := cursor.fetchmany(_FETCH):
                yield [tuple(row.values()) for row in rows] if isinstance(rows[0], Mapping) else rows
        finally:
            with suppress(database.driver_error):  # MySQL's minds rows that nobody has fetched.
                cursor.close()
    except database.driver_error as error:
        raise _refusal(database, error) from None


def _streaming_cursor(database: Database) -> Any:
    """Return a cursor that does not fetch all rows at once; most drivers' own one does not."""
    connection, drivers = database.connection, _drivers(database)
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
    code = fault_code(error)
    about = f"{type(error).__name__}{'' if code is None else f' {code}'}{database.names_in(error)}"
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
    if (
        state.startswith(_ABOUT_THE_QUERY)
        or code == "SQLITE_ERROR"
        or (not state and code in _MYSQL_ABOUT_THE_QUERY)
    ):
        words = getattr(getattr(error, "diag", None), "message_primary", None) or error
        return QueryError(f"{database.label} cannot run the query, so nothing was sent: {words} ({about}).")
    return WarehouseRefusedError(f"{database.label} refused the query, so nothing was sent: {about}.")
