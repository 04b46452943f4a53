"""
One connection to a warehouse, and the steps that a load is made of.

:class:`Database` is the generic loader: plain SQL and batched inserts in one transaction, which any
DB-API driver takes. The other modules of this folder do the same for one database each, as fast as that
database can. Not here: the order of the steps, which is the same for all of them (``loading``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_checknumber.client import CheckNumberError
from airflow_provider_checknumber.warehouse.columns import (
    CHECKED_AT,
    CHECKNUMBER_TASK_ID,
    NUMBER,
    TASK_TYPE,
    Batch,
    Check,
    Family,
    Kind,
    Layout,
    LoadColumn,
)
from airflow_provider_checknumber.warehouse.databases.drivers import base_error, family, fault_code
from airflow_provider_checknumber.warehouse.errors import (
    WarehouseBusyError,
    WarehouseError,
    WarehouseRefusedError,
)
from airflow_provider_checknumber.warehouse.names import PARAM, TableName, quote

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

WriteDisposition = Literal["append", "merge", "replace"]

#: Seconds that a load waits for other loads of the table, and where readers can be in its way, for those.
LOCK_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    Where and how a load goes.

    :param table: the table.
    :param layout: its columns, as the table spells them once it is known.
    :param disposition: what becomes of the rows that are there.
    :param check: whose result it is.
    """

    table: TableName
    layout: Layout
    disposition: WriteDisposition
    check: Check


class Database:
    """
    A connection to a warehouse, used for one load.

    :param hook: where the connection comes from; asked for its placeholder and its dialect.
    :param connection: an open DB-API connection, which this object closes.
    """

    #: What the database is called in a message.
    label: ClassVar[str] = "The database"
    #: Types of a new table's columns.
    types: ClassVar[Mapping[Kind, str]] = {}
    #: Values in one ``IN (…)``, below every database's limit of parameters in a statement.
    in_list: ClassVar[int] = 500
    #: Codes of errors that come from others' locks and pass; here the standard's for what cannot be serialized.
    busy_codes: ClassVar[frozenset[str | int]] = frozenset({"40001"})
    #: Whether two names that differ in their case alone are one column.
    folds_case: ClassVar[bool] = True

    def __init__(self, hook: DbApiHook, connection: Any) -> None:
        self.hook = hook
        self.connection = connection
        self.cursor = connection.cursor()
        #: Rows that were in the table before and are not any more, -1 where the driver does not say.
        self.removed = 0
        #: Rows left out because the table has a newer answer.
        self.superseded = 0

    # Statements

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """
        Run one statement of this package, in which ``PARAM`` stands for a parameter.

        :return: rows that it touched, -1 where the driver does not say.
        """
        if parameters:
            self.cursor.execute(self._for_driver(sql), tuple(parameters))
        else:
            self.cursor.execute(sql)
        return int(getattr(self.cursor, "rowcount", -1))

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query and return its rows as tuples, whichever cursor the connection asks for."""
        self.execute(sql, parameters)
        return [
            tuple(row.values()) if isinstance(row, Mapping) else tuple(row) for row in self.cursor.fetchall()
        ]

    def _for_driver(self, sql: str) -> str:
        placeholder = self.hook.placeholder
        if placeholder == "%s":
            sql = sql.replace("%", "%%")
        return sql.replace(PARAM, placeholder)

    @contextmanager
    def refusals(self, doing: str) -> Iterator[None]:
        """
        Turn what the driver raises into this provider's own error, without the database's text.

        :param doing: what was tried, to what: ``load into reporting.checks``.
        """
        try:
            yield
        except CheckNumberError:
            raise
        except (self.driver_error, UnicodeError) as error:
            raise self.translate(error, doing) from None

    @cached_property
    def driver_error(self) -> type[Exception]:
        """The base class of the driver's errors."""
        return base_error(self.connection)

    def translate(self, error: Exception, doing: str) -> WarehouseError:
        """Return this provider's error for one of the driver's."""
        code = fault_code(error)
        about = f"{type(error).__name__}{'' if code is None else f' {code}'}{self.names_in(error)}"
        if code in self.busy_codes:
            return WarehouseBusyError(
                f"{self.label} was too busy to {doing} ({about}): others held its locks for longer than "
                f"{LOCK_TIMEOUT:.0f} seconds or in another order. The table is as it was before; run the load again."
            )
        return WarehouseRefusedError(
            f"{self.label} refused to {doing}: {about}. The table is as it was before."
        )

    def names_in(self, error: Exception) -> str:
        """Return what a driver's error is about, as far as that is names of things and no values."""
        return ""

    # Names and types

    def identifier(self, name: str) -> str:
        """
        Return a name as the dialect writes it.

        A plain name stays bare, so that the database folds its case as it does for everybody (Snowflake
        and Oracle: to upper case). Everything else is quoted.
        """
        preparer = getattr(self._dialect, "identifier_preparer", None)
        if preparer is None:
            return quote(name)
        if preparer.quote(name) == name:
            return name
        return quote(name, preparer.initial_quote, preparer.final_quote)

    def table(self, table: TableName) -> str:
        """Return a table's name as the dialect writes it."""
        return ".".join(map(self.identifier, table.parts))

    def columns(self, columns: Iterable[LoadColumn]) -> str:
        """Return the columns' names with commas between them."""
        return ", ".join(self.identifier(column.name) for column in columns)

    def column_type(self, column: LoadColumn) -> str:
        """Return the type of a new column."""
        if self.types:
            return self.types[column.kind]
        from sqlalchemy import types

        wanted: Any = {
            "number": types.String(320),
            "name": types.String(255),
            "boolean": types.Boolean(),
            "text": types.Text(),
            "timestamp": types.DateTime(timezone=True),
        }[column.kind]
        return str(wanted.compile(dialect=self._dialect))

    @cached_property
    def _dialect(self) -> Any:
        """SQLAlchemy's dialect of the hook, which knows reserved words, quotes and type names; or None."""
        with suppress(Exception):
            return self.hook.get_sqlalchemy_engine().dialect
        return None

    # The steps of a load, in their order

    def begin(self, target: Target) -> None:
        """
        Start the transaction, as an isolated one where the database takes the standard's word for that.

        Then of two loads that would mix one is refused, which no statement that all databases know prevents.
        """
        with suppress(AttributeError, NotImplementedError):
            if self.hook.supports_autocommit:
                self.hook.set_autocommit(self.connection, False)
        self.isolate()

    def isolate(self) -> None:
        """Ask for what keeps loads of the same table apart."""
        try:
            self.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        except self.driver_error:
            self.connection.rollback()

    def describe(self, table: TableName) -> dict[str, Family] | None:
        """Return the names of the table's columns with what they hold, or None where there is no such table."""
        try:
            self.execute(f"SELECT * FROM {self.table(table)} WHERE 1 = 0")
        except self.driver_error:
            # After an error some databases take nothing more in the same transaction.
            self.connection.rollback()
            return None
        columns = {str(column[0]): family(self.connection, column[1]) for column in self.cursor.description}
        self.cursor.fetchall()
        return columns

    def create(self, target: Target) -> None:
        """Make the table."""
        lines = [self._definition(column) for column in target.layout.all]
        lines += self._constraints(target)
        self.execute(f"CREATE TABLE {self.table(target.table)} ({', '.join(lines)})")

    def _definition(self, column: LoadColumn) -> str:
        required = column.constant is not None or column.kind == "number"
        suffix = " NOT NULL" if required else ""
        return f"{self.identifier(column.name)} {self.column_type(column)}{suffix}"

    def _constraints(self, target: Target) -> list[str]:
        if target.disposition != "merge":
            return []
        return [f"PRIMARY KEY ({self.columns(key_columns(target.layout))})"]

    def add_columns(self, table: TableName, columns: Iterable[LoadColumn]) -> None:
        """Add columns to the table. They may be NULL: the rows that are there have no value for them."""
        for column in columns:
            self.execute(
                f"ALTER TABLE {self.table(table)} "
                f"ADD {self.identifier(column.name)} {self.column_type(column)}"
            )

    def open(self, target: Target) -> None:
        """Make room for the load: remove what it takes the place of, or make a staging table."""
        conditions, values = self._of_this_load(target)
        where = f" WHERE {conditions}" if conditions else ""
        self.removed = self.execute(f"DELETE FROM {self.table(target.table)}{where}", values)

    def write(self, target: Target, batches: Iterable[Batch]) -> None:
        """
        Write rows.

        :param batches: the varying columns of the layout.
        """
        layout = target.layout
        sql = self._for_driver(
            f"INSERT INTO {self.table(target.table)} ({self.columns(layout.all)}) "
            f"VALUES ({', '.join([PARAM] * len(layout.all))})"
        )
        constants = [self.value(column) for column in layout.fixed]
        for batch in batches:
            rows = list(zip(*layout.native(batch), *map(repeat, constants), strict=False))
            if target.disposition == "merge":
                rows = self._make_way(target, rows)
            if rows:
                self.cursor.executemany(sql, rows)

    def value(self, column: LoadColumn) -> Any:
        """Return the value of a fixed column as the driver takes it."""
        return column.constant

    def _make_way(self, target: Target, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Remove the table's older answers for these numbers; return the rows that it has no newer ones for."""
        number = self.named(target, NUMBER)
        place = [column.role for column in target.layout.varying].index(NUMBER)
        same_type = f"{self.named(target, TASK_TYPE)} = {PARAM}"
        checked_at = self.value(target.layout.fixed[-1])
        newer: set[Any] = set()
        for start in range(0, len(rows), self.in_list):
            numbers = [row[place] for row in rows[start : start + self.in_list]]
            among = f"{number} IN ({', '.join([PARAM] * len(numbers))})"
            found = self.fetch(
                f"SELECT {number} FROM {self.table(target.table)} WHERE {same_type} AND {among} "
                f"AND {self.named(target, CHECKED_AT)} > {PARAM}",
                [target.check.task_type, *numbers, checked_at],
            )
            newer.update(row[0] for row in found)
            self.execute(
                f"DELETE FROM {self.table(target.table)} WHERE {same_type} AND {among} "
                f"AND {self.named(target, CHECKED_AT)} <= {PARAM}",
                [target.check.task_type, *numbers, checked_at],
            )
        kept = [row for row in rows if row[place] not in newer] if newer else rows
        self.superseded += len(rows) - len(kept)
        return kept

    def forget(self, target: Target, numbers: Sequence[str]) -> int:
        """
        Remove what this load has written for these numbers.

        :return: rows removed.
        """
        removed = 0
        into = self.sink(target)
        condition, values = self._of_this_load(target) if into == self.table(target.table) else ("", [])
        for start in range(0, len(numbers), self.in_list):
            some = numbers[start : start + self.in_list]
            where = f"{self.named(target, NUMBER)} IN ({', '.join([PARAM] * len(some))})"
            if condition:
                where = f"{condition} AND {where}"
            # Not every driver tells how many rows a DELETE removed.
            removed += int(self.fetch(f"SELECT COUNT(*) FROM {into} WHERE {where}", [*values, *some])[0][0])
            self.execute(f"DELETE FROM {into} WHERE {where}", [*values, *some])
        return removed

    def check_count(self, target: Target, rows: int) -> None:
        """
        Count the rows of this load where they were written.

        :param rows: rows that were written and not forgotten.
        :raises WarehouseRefusedError: when there is another number of them.
        """
        into = self.sink(target)
        condition, values = self._of_this_load(target) if into == self.table(target.table) else ("", [])
        where = f" WHERE {condition}" if condition else ""
        found = int(self.fetch(f"SELECT COUNT(*) FROM {into}{where}", values)[0][0])
        if found != rows:
            raise WarehouseRefusedError(
                f"{self.label} was given {rows} rows for {target.table} and has {found}, so nothing was loaded: "
                "see whether a trigger or a rule of the table keeps rows away."
            )

    def sink(self, target: Target) -> str:
        """Return where rows are written, as it stands in SQL: the table, or a staging table."""
        return self.table(target.table)

    def _of_this_load(self, target: Target) -> tuple[str, list[Any]]:
        if target.disposition == "replace":  # Nothing else stays in the table.
            return "", []
        return f"{self.named(target, CHECKNUMBER_TASK_ID)} = {PARAM}", [target.check.checknumber_task_id]

    def finish(self, target: Target, rows: int) -> None:
        """
        Bring the rows from the staging table to the table, where there is one.

        :param rows: rows that were written and are still to be there.
        :raises WarehouseRefusedError: when the database has another number of them.
        """

    def commit(self) -> None:
        """Make the load visible, all at once."""
        self.connection.commit()

    def rollback(self) -> None:
        """Leave the table as it was. Called after a failure; never raises."""
        with suppress(Exception):
            self.connection.rollback()

    def close(self) -> None:
        """Close the connection; never raises."""
        with suppress(Exception):
            self.connection.close()

    def named(self, target: Target, role: str) -> str:
        """Return, as the dialect writes it, the name of the column that plays this role."""
        column = target.layout.named(role)
        if column is None:
            raise KeyError(role)  # ``loading`` does not start without the columns that its disposition needs.
        return self.identifier(column.name)


def key_columns(layout: Layout) -> tuple[LoadColumn, ...]:
    """Return the columns that make a row of a merged table the only one: number and task type."""
    return tuple(column for column in layout.all if column.role in (NUMBER, TASK_TYPE))
