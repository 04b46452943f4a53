"""
SQLite: rows go to a temporary table first, many to a statement, and from there to the table at once.

A long transaction on the table itself would lock readers out as soon as SQLite's page cache is full. The
temporary table is in a file of its own, so the database is locked for the switch alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from airflow_provider_checknumber.warehouse.columns import NUMBER, Batch, Family, Kind, LoadColumn
from airflow_provider_checknumber.warehouse.databases.base import LOCK_TIMEOUT, Database, Target
from airflow_provider_checknumber.warehouse.databases.drivers import fault_code
from airflow_provider_checknumber.warehouse.databases.staging import switch_staged
from airflow_provider_checknumber.warehouse.names import TableName, quote

#: Rows in one statement. Each statement costs a round through SQLite's virtual machine; more than a
#: hundred rows gain nothing, and 999 parameters is the limit of a SQLite before 3.32.
_ROWS_A_STATEMENT = 100
_MAX_PARAMETERS = 999
_STAGING = "temp.checknumber_load"


class SqliteDatabase(Database):
    """The loader for SQLite."""

    label: ClassVar[str] = "SQLite"
    types: ClassVar[Mapping[Kind, str]] = {
        "number": "TEXT",
        "name": "TEXT",
        "boolean": "BOOLEAN",
        "text": "TEXT",
        "timestamp": "TIMESTAMP",
    }

    busy_codes: ClassVar[frozenset[str | int]] = frozenset({"SQLITE_BUSY"})

    def __init__(self, hook: Any, connection: Any) -> None:
        super().__init__(hook, connection)
        self._missing_table = False
        self._missing_columns: tuple[LoadColumn, ...] = ()

    def identifier(self, name: str) -> str:
        """Return a name in double quotes."""
        return quote(name)

    def value(self, column: LoadColumn) -> Any:
        """Return a moment as text of one length: SQLite has no such type and compares the text."""
        if column.kind == "timestamp":
            return column.constant.isoformat(sep=" ", timespec="microseconds")
        return column.constant

    def begin(self, target: Target) -> None:
        """Take the driver's own transactions out of the way: they would start with the first row staged."""
        self.connection.isolation_level = None
        # The temporary table outlives nothing, so it needs no journal.
        self.execute("PRAGMA temp.journal_mode = OFF")

    def describe(self, table: TableName) -> dict[str, Family] | None:
        """Return the names of the table's columns with what they hold, or None where there is no such table."""
        schema = f"{self.identifier(table.schema)}." if table.schema else ""
        found = self.fetch(f"PRAGMA {schema}table_info({self.identifier(table.table)})")
        return {row[1]: _family(row[2]) for row in found} or None

    def create(self, target: Target) -> None:
        """Remember to make the table within the switch, so that a failed load leaves none."""
        self._missing_table = True

    def add_columns(self, table: TableName, columns: Iterable[LoadColumn]) -> None:
        """Remember to add the columns within the switch."""
        self._missing_columns = tuple(columns)

    def open(self, target: Target) -> None:
        """Make the temporary table."""
        self.execute(f"CREATE TEMP TABLE checknumber_load ({self.columns(target.layout.varying)})")

    def write(self, target: Target, batches: Iterable[Batch]) -> None:
        """Write rows to the temporary table."""
        width = len(target.layout.varying)
        most = max(1, min(_ROWS_A_STATEMENT, _MAX_PARAMETERS // width))
        row = f"({', '.join('?' * width)})"
        insert = f"INSERT INTO {_STAGING} VALUES "
        whole = insert + ", ".join([row] * most)
        self.execute("BEGIN")
        for batch in batches:
            flat = _row_by_row(target.layout.native(batch))
            end = len(flat) - len(flat) % (most * width)
            self.cursor.executemany(whole, _pieces(flat, end, most * width))
            if rest := flat[end:]:
                self.cursor.execute(insert + ", ".join([row] * (len(rest) // width)), rest)
        self.execute("COMMIT")

    def forget(self, target: Target, numbers: Sequence[str]) -> int:
        """Remove what has been staged for these numbers."""
        self.execute("CREATE TEMP TABLE IF NOT EXISTS checknumber_forget (number PRIMARY KEY) WITHOUT ROWID")
        self.execute("BEGIN")
        self.execute("DELETE FROM temp.checknumber_forget")
        self.cursor.executemany(
            "INSERT INTO temp.checknumber_forget VALUES (?)", ((number,) for number in numbers)
        )
        removed = self.execute(
            f"DELETE FROM {_STAGING} "
            f"WHERE {self.named(target, NUMBER)} IN (SELECT number FROM temp.checknumber_forget)"
        )
        self.execute("COMMIT")
        return removed

    def finish(self, target: Target, rows: int) -> None:
        """Lock the file, make what is missing, and bring the rows over."""
        self._lock()
        there = self.describe(target.table)
        if there is None and self._missing_table:
            super().create(target)
        elif there is not None:
            known = {name.casefold() for name in there}
            missing = (column for column in self._missing_columns if column.name.casefold() not in known)
            super().add_columns(target.table, missing)
        switch_staged(self, target, _STAGING, rows)

    def _lock(self) -> None:
        """Start the transaction of the switch, which no other writer shares."""
        # In short waits, so that a signal to the task is seen between two of them.
        self.execute("PRAGMA busy_timeout = 1000")
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                self.execute("BEGIN IMMEDIATE")
                break
            except self.driver_error as error:
                if fault_code(error) not in self.busy_codes or time.monotonic() > deadline:
                    raise
        # Readers that are in the way of the commit are waited for as well.
        self.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000:.0f}")

    def commit(self) -> None:
        """End the transaction of the switch."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Leave the table as it was: what is staged goes with the connection."""
        if self.connection.in_transaction:
            self.connection.rollback()


def _family(declared: str) -> Family:
    """Return what SQLite keeps in a column of this declared type; a boolean is a number to it."""
    upper = declared.upper()
    return "text" if any(word in upper for word in ("CHAR", "CLOB", "TEXT")) else "number"


def _row_by_row(batch: Batch) -> list[Any]:
    flat: list[Any] = [None] * (len(batch) * len(batch[0]))
    for place, column in enumerate(batch):
        flat[place :: len(batch)] = column
    return flat


def _pieces(flat: list[Any], end: int, length: int) -> Iterator[list[Any]]:
    return (flat[start : start + length] for start in range(0, end, length))
