"""
PostgreSQL: ``COPY FROM STDIN``, straight into the table, or into a temporary one where rows are merged.

Readers are never blocked: rows that go are deleted, not truncated, and nothing is visible before the
commit. Not for Redshift, which speaks the protocol but has no such ``COPY`` (``connect`` sees to that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_checknumber.warehouse.ahead import made_ahead
from airflow_provider_checknumber.warehouse.columns import (
    CHECKED_AT,
    CHECKNUMBER_TASK_ID,
    NUMBER,
    TASK_TYPE,
    Batch,
    Family,
    Kind,
    LoadColumn,
)
from airflow_provider_checknumber.warehouse.databases.base import LOCK_TIMEOUT, Database, Target, key_columns
from airflow_provider_checknumber.warehouse.databases.staging import switch_staged
from airflow_provider_checknumber.warehouse.names import PARAM, TableName, quote
from airflow_provider_checknumber.warehouse.rowbinary import RowBinary
from airflow_provider_checknumber.warehouse.rowtext import BACKSLASHED, RowText

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

_STAGING = "pg_temp.checknumber_load"
#: Types that take a value of the kind in its binary form, as it is made here.
_BINARY: dict[Kind, frozenset[str]] = {
    **dict.fromkeys(("number", "name", "text"), frozenset({"text", "varchar"})),
    "boolean": frozenset({"bool"}),
    "timestamp": frozenset({"timestamptz", "timestamp"}),
}
_FAMILIES: dict[str, Family] = {"B": "boolean", "N": "number", "S": "text"}
#: Chunks that wait for the server, each of some 600 KB for a result of two columns.
_CHUNKS_AHEAD = 4
#: Bytes that psycopg2 asks for at a time.
_READ_SIZE = 1 << 16


class PostgresDatabase(Database):
    """The loader for PostgreSQL, with psycopg 3 or psycopg2."""

    label: ClassVar[str] = "PostgreSQL"
    types: ClassVar[Mapping[Kind, str]] = {
        "number": "text",
        "name": "text",
        "boolean": "boolean",
        "text": "text",
        "timestamp": "timestamp with time zone",
    }
    folds_case: ClassVar[bool] = False
    #: Lock not available, deadlock, serialization failure.
    busy_codes: ClassVar[frozenset[str | int]] = frozenset({"55P03", "40P01", "40001"})

    def __init__(self, hook: DbApiHook, connection: Any) -> None:
        super().__init__(hook, connection)
        #: Rows that the server says it has taken in, less those that are forgotten.
        self._taken = 0
        self._missing_columns: tuple[LoadColumn, ...] = ()

    def identifier(self, name: str) -> str:
        """Return a name in double quotes."""
        return quote(name)

    def isolate(self) -> None:
        """Let each statement see what other loads have committed by then; locks keep loads apart."""
        self.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def begin(self, target: Target) -> None:
        """Start the transaction."""
        super().begin(target)
        self.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT:.0f}s'")

    def describe(self, table: TableName) -> dict[str, Family] | None:
        """Return the names of the table's columns with what they hold, or None where there is no such table."""
        found = self.fetch(
            "SELECT a.attname, t.typcategory FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
            f"WHERE a.attrelid = to_regclass({PARAM}) AND a.attnum > 0 AND NOT a.attisdropped",
            [self.table(table)],
        )
        return {name: _FAMILIES.get(category, "other") for name, category in found} or None

    def create(self, target: Target) -> None:
        """Make the table, unless another load made it while this one waited for its turn."""
        self._lock("create", str(target.table))
        if self.describe(target.table) is None:
            super().create(target)
            if target.disposition == "append":
                # A check's rows lie together, so this index finds them at next to no cost for COPY.
                task_id = self.named(target, CHECKNUMBER_TASK_ID)
                self.execute(f"CREATE INDEX ON {self.table(target.table)} USING brin ({task_id})")

    def add_columns(self, table: TableName, columns: Iterable[LoadColumn]) -> None:
        """Remember to add the columns when all rows are staged: readers of the table wait from then on."""
        self._missing_columns = tuple(columns)

    def open(self, target: Target) -> None:
        """
        Take the locks that the disposition needs and remove what the load takes the place of.

        Loads of different checks into one table append side by side; a load of the same check, and a
        ``replace``, waits for its turn. These are advisory locks: readers and other writers never meet
        them, and they go with the transaction.
        """
        if self._is_staged(target):
            columns = ", ".join(map(self._staged_column, target.layout.varying))
            self.execute(
                "CREATE TEMPORARY TABLE checknumber_load ON COMMIT DROP AS "
                f"SELECT {columns} FROM {self.table(target.table)} WITH NO DATA"
            )
            return
        table = self._oid(target)
        if target.disposition == "append":
            self._lock("load", table, shared=True)
            self._lock("check", table, target.check.checknumber_task_id)
        else:
            self._lock("load", table)
        super().open(target)

    def _is_staged(self, target: Target) -> bool:
        return target.disposition == "merge" or bool(self._missing_columns)

    def _staged_column(self, column: LoadColumn) -> str:
        name = self.identifier(column.name)
        if any(missing.role == column.role for missing in self._missing_columns):
            return f"NULL::{self.column_type(column)} AS {name}"
        return name

    def _oid(self, target: Target) -> str:
        return str(self.fetch(f"SELECT to_regclass({PARAM})::oid::text", [self.table(target.table)])[0][0])

    def _lock(self, *what: str, shared: bool = False) -> None:
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        self.execute(f"SELECT {function}(hashtextextended({PARAM}, 0))", [" ".join(("checknumber", *what))])

    def write(self, target: Target, batches: Iterable[Batch]) -> None:
        """Write rows with ``COPY``."""
        layout = target.layout
        fixed = () if self._is_staged(target) else layout.fixed
        columns = (*layout.varying, *fixed)
        rows: RowBinary | RowText
        if self._takes_binary(target):
            how = "FORMAT binary"
            rows = RowBinary(layout.varying, fixed)
        else:
            how = "FORMAT text, ENCODING 'UTF8'"
            rows = RowText(BACKSLASHED, layout.varying, list(map(_text, fixed)), booleans=_booleans)
        sql = f"COPY {self.sink(target)} ({self.columns(columns)}) FROM STDIN WITH ({how})"
        with made_ahead(rows.chunks(batches), depth=_CHUNKS_AHEAD) as chunks:
            if hasattr(self.cursor, "copy"):  # psycopg 3
                with self.cursor.copy(sql) as copy:
                    for chunk in chunks:
                        copy.write(chunk)
            else:
                self._copy_from(sql, _Readable(chunks))
        self._taken += self.cursor.rowcount

    def _takes_binary(self, target: Target) -> bool:
        """Tell whether all columns are of types whose binary form is known here; text fits into any type."""
        found = self.fetch(
            "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
            f"WHERE a.attrelid = to_regclass({PARAM}) AND t.typnamespace = 'pg_catalog'::regnamespace",
            [self.table(target.table)],
        )
        types = dict(found)
        # Text in binary rows is always in the connection's own encoding.
        return self.fetch("SHOW client_encoding") == [("UTF8",)] and all(
            types.get(column.name) in _BINARY[column.kind] for column in target.layout.all
        )

    def _copy_from(self, sql: str, source: _Readable) -> None:
        try:
            self.cursor.copy_expert(sql, source, size=_READ_SIZE)
        except self.driver_error:
            # psycopg2 reports what failed in the source as the server's refusal of the rows.
            if source.failure is not None:
                raise source.failure from None
            raise

    def forget(self, target: Target, numbers: Sequence[str]) -> int:
        """Remove what this load has written for these numbers."""
        number = f"{self.named(target, NUMBER)}::text = ANY({PARAM})"
        condition, values = ("", []) if self._is_staged(target) else self._of_this_load(target)
        where = f"{condition} AND {number}" if condition else number
        removed = self.execute(f"DELETE FROM {self.sink(target)} WHERE {where}", [*values, list(numbers)])
        self._taken -= removed
        return removed

    def sink(self, target: Target) -> str:
        """Return where rows are written: to a staging table where they are merged or have new columns."""
        return _STAGING if self._is_staged(target) else super().sink(target)

    def finish(self, target: Target, rows: int) -> None:
        """
        Bring over what was staged; other loads of the table wait meanwhile.

        Readers wait where columns are added, from that statement to the commit, and else do not.
        """
        if self._taken != rows:  # A trigger that puts them elsewhere makes the server count fewer.
            self.check_count(target, rows)
        if not self._is_staged(target):
            return
        self._lock("load", self._oid(target))
        self.execute(f"ANALYZE {_STAGING}")
        there = self.describe(target.table) or {}
        super().add_columns(target.table, (new for new in self._missing_columns if new.name not in there))
        if target.disposition == "merge" and self._has_key(target):
            self._upsert(target, rows)
        else:
            switch_staged(self, target, _STAGING, rows)

    def _has_key(self, target: Target) -> bool:
        """Tell whether a unique index covers number and task type and nothing else."""
        names = sorted(column.name for column in key_columns(target.layout))
        found = self.fetch(
            "SELECT 1 FROM pg_index i WHERE i.indrelid = to_regclass("
            f"{PARAM}) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL "
            'AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C") FROM pg_attribute a '
            f"WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)) = {PARAM} "
            "AND i.indnatts = 2",
            [self.table(target.table), names],
        )
        return bool(found)

    def _upsert(self, target: Target, rows: int) -> None:
        layout = target.layout
        names = [
            self.identifier(column.name) for column in layout.all if column.role not in (NUMBER, TASK_TYPE)
        ]
        checked_at = self.named(target, CHECKED_AT)
        written = self.execute(
            f"INSERT INTO {self.table(target.table)} AS t ({self.columns(layout.all)}) "
            f"SELECT {', '.join(['s.*'] + [PARAM] * len(layout.fixed))} FROM {_STAGING} AS s "
            f"ON CONFLICT ({self.columns(key_columns(layout))}) DO UPDATE "
            f"SET {', '.join(f'{name} = EXCLUDED.{name}' for name in names)} "
            f"WHERE t.{checked_at} <= EXCLUDED.{checked_at}",
            [column.constant for column in layout.fixed],
        )
        self.superseded += rows - written

    def names_in(self, error: Exception) -> str:
        """Return the constraint and the column that an error is about."""
        about = getattr(error, "diag", None)
        names = (getattr(about, "constraint_name", None), getattr(about, "column_name", None))
        return "".join(f", {name!r}" for name in names if name)


class _Readable:
    """
    Chunks as the file that psycopg2 reads, whole chunks of any length at a time.

    :param chunks: what to read.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")
        self.failure: Exception | None = None

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        try:
            while not self._left:
                self._left = memoryview(next(self._chunks))
        except StopIteration:
            return b""
        except Exception as error:
            self.failure = error
            raise
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)


def _text(column: LoadColumn) -> str | None:
    constant: str | None = column.constant.isoformat() if column.kind == "timestamp" else column.constant
    return constant


def _booleans(column: LoadColumn) -> tuple[str, str]:
    """Return how yes and no are written into a column."""
    return {"text": ("true", "false"), "number": ("1", "0")}.get(column.stored, ("t", "f"))
