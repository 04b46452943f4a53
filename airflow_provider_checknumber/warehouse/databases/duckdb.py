"""
DuckDB: rows are written to small files, which its own reader takes in without Python's help.

A DuckDB file belongs to one process at a time, so a load waits until it can open the file; after that
nobody else is there. What is peculiar here: a cursor is a connection of its own, with its own transaction,
and results tell how many rows a statement touched.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, ClassVar

from airflow_provider_checknumber.warehouse.ahead import made_ahead
from airflow_provider_checknumber.warehouse.columns import NUMBER, Batch, Family, Kind
from airflow_provider_checknumber.warehouse.databases.base import LOCK_TIMEOUT, Database, Target
from airflow_provider_checknumber.warehouse.databases.spool import spooled
from airflow_provider_checknumber.warehouse.databases.staging import merge_staged
from airflow_provider_checknumber.warehouse.errors import WarehouseBusyError
from airflow_provider_checknumber.warehouse.names import PARAM, TableName, quote
from airflow_provider_checknumber.warehouse.rowtext import QUOTED, RowText

_STAGING = "temp.checknumber_load"
_CHUNKS_AHEAD = 16
#: Bytes that DuckDB sets aside for reading; it would take 32 MB for files that have 2.
_READ_BUFFER = 4 << 20
#: What DuckDB may hold in memory while rows are written; it would keep all of them there. Rows that are wider
#: than this has room for go through its own temporary files. Reading takes up to 12 MB of it.
_MEMORY = "24MB"
#: DuckDB takes two transactions of one process for a conflict where they meet, instead of waiting.
_ONE_AT_A_TIME = threading.Lock()


class DuckDbDatabase(Database):
    """The loader for DuckDB."""

    label: ClassVar[str] = "DuckDB"
    types: ClassVar[Mapping[Kind, str]] = {
        "number": "VARCHAR",
        "name": "VARCHAR",
        "boolean": "BOOLEAN",
        "text": "VARCHAR",
        "timestamp": "TIMESTAMPTZ",
    }

    def __init__(self, hook: Any, connection: Any) -> None:
        super().__init__(hook, connection)
        self.cursor = connection
        self._turn = False
        self._memory_before = ""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement; return the rows that it touched, -1 where it is no such statement."""
        super().execute(sql, parameters)
        described = self.cursor.description
        if not described or described[0][0] != "Count":
            return -1
        return sum(row[0] for row in self.cursor.fetchall())

    def identifier(self, name: str) -> str:
        """Return a name in double quotes."""
        return quote(name)

    def begin(self, target: Target) -> None:
        """Wait for other loads of this process, and start the transaction."""
        self._turn = _ONE_AT_A_TIME.acquire(timeout=LOCK_TIMEOUT)
        if not self._turn:
            raise WarehouseBusyError(
                f"Another load of this process went on for {LOCK_TIMEOUT:.0f} seconds, so nothing was loaded "
                f"into {target.table}: run the load again when that one is done."
            )
        # Decides what a moment becomes in a column that does not hold its time zone.
        self.execute("SET SESSION TimeZone = 'UTC'")
        self._bound_memory(target.table)
        self.execute("BEGIN TRANSACTION")

    def _bound_memory(self, table: TableName) -> None:
        """
        Let DuckDB keep what it has written in its file alone, until :meth:`_lift_bound`.

        Only where the table is in a file: one in memory has to have room there. The bound holds for all
        connections of this process to the database, so it is not set where they hold more than that.
        """
        catalogue = table.parts[0] if len(table.parts) == 3 else None
        found = self.fetch(
            "SELECT current_setting('memory_limit') FROM duckdb_databases() WHERE type = 'duckdb' "
            f"AND path IS NOT NULL AND database_name = coalesce({PARAM}, current_database())",
            [catalogue],
        )
        with suppress(self.driver_error):
            if found:
                self.execute(f"SET memory_limit = '{_MEMORY}'")
                self._memory_before = str(found[0][0])

    def _lift_bound(self) -> None:
        if self._memory_before:
            self.execute(f"SET memory_limit = '{self._memory_before}'")
            self._memory_before = ""

    def describe(self, table: TableName) -> dict[str, Family] | None:
        """Return the names of the table's columns, or None where there is no such table."""
        columns = super().describe(table)
        if columns is None:
            self.execute("BEGIN TRANSACTION")
        return columns

    def open(self, target: Target) -> None:
        """Remove what the load takes the place of, or make the staging table."""
        if target.disposition == "merge":
            # Not CREATE … AS … LIMIT 0: in DuckDB 2.0.0 such a table is found empty after some 900,000 rows.
            varying = target.layout.varying
            types = self.fetch(
                "SELECT column_type FROM "
                f"(DESCRIBE SELECT {self.columns(varying)} FROM {self.table(target.table)})"
            )
            lines = (
                f"{self.identifier(column.name)} {name}"
                for column, (name,) in zip(varying, types, strict=True)
            )
            self.execute(f"CREATE TEMP TABLE checknumber_load ({', '.join(lines)})")
        else:
            super().open(target)

    def write(self, target: Target, batches: Iterable[Batch]) -> None:
        """Write rows through files."""
        layout = target.layout
        into = self.sink(target)
        fixed = () if into == _STAGING else target.layout.fixed
        # Read under names of our own: the table's may hold anything.
        read = {f"c{place}": column for place, column in enumerate(layout.varying)}
        types = ", ".join(
            f"'{name}': '{'BOOLEAN' if column.kind == 'boolean' else 'VARCHAR'}'"
            for name, column in read.items()
        )
        # "NOT NOT" keeps DuckDB from reading the words as what the table's column is, a number maybe.
        values = [f"NOT NOT {name}" if column.kind == "boolean" else name for name, column in read.items()]
        sql = (
            f"INSERT INTO {into} ({self.columns((*layout.varying, *fixed))}) "
            f"SELECT {', '.join([*values, *[PARAM] * len(fixed)])} FROM read_csv({PARAM}, auto_detect = false, "
            "header = false, delim = '\t', quote = '\"', escape = '\"', nullstr = '\\N', "
            f"allow_quoted_nulls = false, buffer_size = {_READ_BUFFER}, columns = {{{types}}})"
        )
        text = RowText(QUOTED, layout.varying, booleans=lambda _: ("true", "false"))
        with (
            made_ahead(text.chunks(batches), depth=_CHUNKS_AHEAD) as chunks,
            closing(spooled(chunks)) as files,
        ):
            for path in files:
                self.execute(sql, [*map(self.value, fixed), path])

    def sink(self, target: Target) -> str:
        """Return where rows are written: rows to merge go to a staging table."""
        return _STAGING if target.disposition == "merge" else super().sink(target)

    def forget(self, target: Target, numbers: Sequence[str]) -> int:
        """Remove what this load has written for these numbers."""
        into = self.sink(target)
        condition, values = ("", []) if into == _STAGING else self._of_this_load(target)
        where = f"{self.named(target, NUMBER)}::VARCHAR IN (SELECT unnest({PARAM}))"
        if condition:
            where = f"{condition} AND {where}"
        return self.execute(f"DELETE FROM {into} WHERE {where}", [*values, list(numbers)])

    def finish(self, target: Target, rows: int) -> None:
        """Count what was written, and merge what was staged, in the memory that joining takes."""
        self.check_count(target, rows)
        self._lift_bound()
        if target.disposition == "merge":
            merge_staged(self, target, _STAGING, rows)

    def close(self) -> None:
        """Close the connection and let the next load of this process begin; never raises."""
        with suppress(Exception):
            self._lift_bound()
        super().close()
        if self._turn:
            self._turn = False
            _ONE_AT_A_TIME.release()


def is_held_by_another_process(error: Exception) -> bool:
    """Tell whether an error means that another process has the database's file open."""
    return type(error).__name__ == "IOException" and "Conflicting lock is held" in str(error)
