"""
MySQL and MariaDB: ``LOAD DATA LOCAL INFILE`` where client and server allow it, long inserts where not.

A connection allows it when its hook is made with ``local_infile=True``. What is peculiar here: a statement
that makes or changes a table ends the transaction, so that is done before it begins; and ``LOAD DATA LOCAL``
changes or leaves out what does not fit and only warns, so its warnings are read.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any, ClassVar

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
from airflow_provider_checknumber.warehouse.databases.base import LOCK_TIMEOUT, Database, Target
from airflow_provider_checknumber.warehouse.databases.spool import spooled
from airflow_provider_checknumber.warehouse.databases.staging import insert_staged
from airflow_provider_checknumber.warehouse.errors import (
    TableError,
    WarehouseBusyError,
    WarehouseRefusedError,
)
from airflow_provider_checknumber.warehouse.names import PARAM, TableName, quote
from airflow_provider_checknumber.warehouse.rowtext import BACKSLASHED, RowText

_STAGING = "checknumber_load"
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
#: Rows of one long insert: far below ``max_allowed_packet``, which is 16 MB or more where nobody changed it.
_ROWS_A_STATEMENT = 1_000
_CHUNKS_AHEAD = 16
#: Seconds of one wait for a lock, after which a signal to the task is seen.
_LOCK_STEP = 5


class MySqlDatabase(Database):
    """The loader for MySQL and MariaDB, with any driver."""

    label: ClassVar[str] = "MySQL"
    types: ClassVar[Mapping[Kind, str]] = {
        "number": f"VARCHAR(320) {_TEXT}",
        "name": f"VARCHAR(255) {_TEXT}",
        "boolean": "BOOLEAN",
        "text": f"TEXT {_TEXT}",
        "timestamp": "DATETIME(6)",
    }
    in_list: ClassVar[int] = 10_000
    #: Lock wait timeout, deadlock.
    busy_codes: ClassVar[frozenset[str | int]] = frozenset({1205, 1213})

    def __init__(self, hook: Any, connection: Any) -> None:
        super().__init__(hook, connection)
        #: The table as it stands in SQL, if this load made it.
        self._made_table = ""
        self._local_files = False
        self._table_lock = ""

    def identifier(self, name: str) -> str:
        """
        Return a name in backquotes.

        :raises TableError: for one with a per cent sign, which the drivers read in different ways.
        """
        if "%" in name:
            raise TableError(f"{name!r} cannot be the name of a table or a column in MySQL: it holds a %.")
        return quote(name, "`", "`")

    def value(self, column: LoadColumn) -> Any:
        """Return a moment in UTC without saying so: MySQL's types have no room for that."""
        if column.kind == "timestamp":
            return column.constant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        return column.constant

    def isolate(self) -> None:
        """Do without gap locks, so that loads of different checks into one table do not wait for each other."""
        self.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def begin(self, target: Target) -> None:
        """
        Set the session up and wait for loads of the same check, and for those that change the table.

        Named locks, because a table's own locks end the transaction. The order is always the same: the
        check's, then the table's.
        """
        super().begin(target)
        self.execute(
            f"SET SESSION time_zone = '+00:00', sql_notes = 0, lock_wait_timeout = {LOCK_TIMEOUT:.0f}, "
            f"innodb_lock_wait_timeout = {LOCK_TIMEOUT:.0f}"
        )
        schema = target.table.schema or self.fetch("SELECT DATABASE()")[0][0]
        if target.disposition == "append":
            self._lock(schema, target.table.table, target.check.checknumber_task_id)
        self._table_lock = self._lock(schema, target.table.table)

    def _lock(self, *what: str) -> str:
        """
        Take a named lock; it goes with the connection.

        :raises WarehouseBusyError: when another load held it for too long.
        """
        name = "checknumber:" + hashlib.sha256("\0".join(what).encode()).hexdigest()[:40]
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not self.fetch(f"SELECT GET_LOCK({PARAM}, {PARAM})", [name, _LOCK_STEP])[0][0]:
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"Another load held table {what[1]} for {LOCK_TIMEOUT:.0f} seconds, so nothing was loaded: "
                    "run the load again when that one is done."
                )
        return name

    def describe(self, table: TableName) -> dict[str, Family] | None:
        """
        Return the names of the table's columns with what they hold, or None where there is no such table.

        :raises TableError: when the table's engine has no transactions.
        """
        where = f"table_schema = COALESCE({PARAM}, DATABASE()) AND table_name = {PARAM}"
        name = [table.schema, table.table]
        found = self.fetch(
            f"SELECT column_name, data_type FROM information_schema.columns WHERE {where}", name
        )
        engines = self.fetch(
            "SELECT e.engine FROM information_schema.tables t JOIN information_schema.engines e "
            f"ON e.engine = t.engine WHERE {where} AND e.transactions = 'NO'",
            name,
        )
        if engines:
            raise TableError(
                f"Table {table} is of the engine {_word(engines[0][0])}, which has no transactions, so a load that "
                "fails would leave a part of its rows: ALTER TABLE … ENGINE=InnoDB first."
            )
        return {_word(column): _family(_word(data_type)) for column, data_type in found} or None

    def create(self, target: Target) -> None:
        """Make the table. Should the load fail, it is dropped again; nobody else loads into it by then."""
        super().create(target)
        self._made_table = self.table(target.table)

    def _constraints(self, target: Target) -> list[str]:
        if target.disposition == "append":
            return [f"KEY ({self.named(target, CHECKNUMBER_TASK_ID)})"]
        return super()._constraints(target)

    def open(self, target: Target) -> None:
        """Begin the transaction, and let the loads in that only add rows."""
        if target.disposition == "merge":
            self._stage(target)
        self.execute("START TRANSACTION")
        self._local_files = self._takes_local_files(target)
        if target.disposition != "merge":
            super().open(target)
        if target.disposition != "replace" and not self._made_table:
            self.fetch(f"SELECT RELEASE_LOCK({PARAM})", [self._table_lock])

    def _stage(self, target: Target) -> None:
        # An index is worth its cost where the table has none that begins with the number.
        number = target.layout.named(NUMBER)
        keyed = self.fetch(
            "SELECT 1 FROM information_schema.statistics "
            f"WHERE table_schema = COALESCE({PARAM}, DATABASE()) AND table_name = {PARAM} "
            f"AND seq_in_index = 1 AND column_name = {PARAM} LIMIT 1",
            [target.table.schema, target.table.table, number.name if number else ""],
        )
        key = "" if keyed else f" (KEY ({self.named(target, NUMBER)}))"
        self.execute(
            f"CREATE TEMPORARY TABLE {_STAGING}{key} ENGINE=InnoDB AS "
            f"SELECT {self.columns(target.layout.varying)} FROM {self.table(target.table)} LIMIT 0"
        )

    def _takes_local_files(self, target: Target) -> bool:
        """Tell whether client and server allow ``LOAD DATA LOCAL INFILE``, by loading an empty file."""
        try:
            self._load_file(target, os.devnull)
        except self.driver_error:
            return False
        return True

    def write(self, target: Target, batches: Iterable[Batch]) -> None:
        """Write rows from files, or in long inserts."""
        if not self._local_files:
            self._insert(target, batches)
            return
        text = RowText(BACKSLASHED, target.layout.varying, booleans=_booleans)
        with (
            made_ahead(text.chunks(batches), depth=_CHUNKS_AHEAD) as chunks,
            closing(spooled(chunks)) as files,
        ):
            for path in files:
                self._load_file(target, path)
                self._check_warnings(target)

    def _load_file(self, target: Target, path: str) -> None:
        into = self.sink(target)
        fixed = () if into == _STAGING else target.layout.fixed
        values = ", ".join(f"{self.identifier(column.name)} = {PARAM}" for column in fixed)
        self.execute(
            f"LOAD DATA LOCAL INFILE {PARAM} INTO TABLE {into} CHARACTER SET utf8mb4 "
            # As numbers, because sql_mode decides what a backslash in quotes means.
            "FIELDS TERMINATED BY 0x09 ESCAPED BY 0x5C LINES TERMINATED BY 0x0A "
            f"({self.columns(target.layout.varying)}){' SET ' if values else ''}{values}",
            [path, *map(self.value, fixed)],
        )

    def sink(self, target: Target) -> str:
        """Return where rows are written: rows to merge go to a staging table."""
        return _STAGING if target.disposition == "merge" else super().sink(target)

    def _check_warnings(self, target: Target) -> None:
        warnings = int(self.fetch("SELECT @@warning_count")[0][0])
        if warnings:
            shown = self.fetch("SHOW WARNINGS LIMIT 1")
            code = f", the first with code {shown[0][1]}" if shown else ""
            raise WarehouseRefusedError(
                f"MySQL would have changed or left out {warnings} values of the load into {target.table}{code}: "
                "see that the columns are wide enough and of fitting types. The table is as it was before."
            )

    def _insert(self, target: Target, batches: Iterable[Batch]) -> None:
        into = self.sink(target)
        fixed = () if into == _STAGING else target.layout.fixed
        tail = "".join(f",{_literal(self.value(column))}" for column in fixed)
        insert = f"INSERT INTO {into} ({self.columns((*target.layout.varying, *fixed))}) VALUES "
        for batch in batches:
            for values in _tuples(target.layout.native(batch), tail):
                # Without parameters, because some drivers take a microsecond for each of those.
                self.cursor.execute(insert + values)

    def finish(self, target: Target, rows: int) -> None:
        """Merge what was staged; other loads of the table wait meanwhile, readers do not."""
        if target.disposition != "merge":
            return
        if not self._made_table:
            schema = target.table.schema or self.fetch("SELECT DATABASE()")[0][0]
            self._lock(schema, target.table.table)
        layout, table = target.layout, self.table(target.table)
        checked_at = f"t.{self.named(target, CHECKED_AT)}"
        number, task_type = self.named(target, NUMBER), self.named(target, TASK_TYPE)
        joined = f"t.{number} = s.{number} AND t.{task_type} = {PARAM}"
        values = {column.role: self.value(column) for column in layout.fixed}
        # Counted, because MySQL does not count rows that an UPDATE leaves as they are.
        newer = self.fetch(
            f"SELECT COUNT(*) FROM {_STAGING} AS s JOIN {table} AS t ON {joined} AND {checked_at} > {PARAM}",
            [values[TASK_TYPE], values[CHECKED_AT]],
        )
        self.superseded += int(newer[0][0])
        own = [column for column in layout.varying if column.role != NUMBER]
        fixed = [column for column in layout.fixed if column.role != TASK_TYPE]
        changes = [f"t.{name} = s.{name}" for name in (self.identifier(column.name) for column in own)]
        changes += [f"t.{self.identifier(column.name)} = {PARAM}" for column in fixed]
        self.execute(
            f"UPDATE {_STAGING} AS s JOIN {table} AS t ON {joined} AND {checked_at} <= {PARAM} "
            f"SET {', '.join(changes)}",
            [values[TASK_TYPE], values[CHECKED_AT], *(values[column.role] for column in fixed)],
        )
        insert_staged(self, target, _STAGING, f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {joined})")

    def rollback(self) -> None:
        """Leave the table as it was; drop it if this load made it."""
        super().rollback()
        if self._made_table:
            with suppress(Exception):
                self.execute(f"DROP TABLE {self._made_table}")


def _tuples(batch: Batch, tail: str) -> Iterator[str]:
    """Return the rows of a batch as SQL tuples, many to a string; ``tail`` ends each of them."""
    rows = list(map(",".join, zip(*map(_literals, batch), strict=True)))
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        yield f"({f'{tail}),('.join(rows[start : start + _ROWS_A_STATEMENT])}{tail})"


def _literals(values: list[Any]) -> list[str]:
    """Return a column as SQL literals."""
    if None not in values and isinstance(values[0], str):
        together = "".join(values)
        if together.isascii() and "'" not in together and "\\" not in together:
            return [f"'{value}'" for value in values]
    return list(map(_literal, values))


def _literal(value: Any) -> str:
    """
    Return a value as an SQL literal that means the same under every ``sql_mode`` and character set.

    What is not plain ASCII goes as the bytes of its UTF-8: nothing of it can be taken for SQL.
    """
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(int(value))
    if value.isascii() and "'" not in value and "\\" not in value:
        return f"'{value}'"
    return f"_utf8mb4 X'{value.encode().hex()}'"


def _booleans(column: LoadColumn) -> tuple[str, str]:
    """Return how yes and no are written into a column."""
    return ("true", "false") if column.stored == "text" else ("1", "0")


def _family(data_type: str) -> Family:
    """Return what a column of this type holds; a boolean is a number to MySQL."""
    lower = data_type.lower()
    return "text" if lower.endswith(("char", "text")) or lower in ("enum", "set") else "number"


def _word(value: Any) -> str:
    """Return a name from the information schema, which some drivers give as bytes."""
    return value.decode() if isinstance(value, bytes | bytearray) else str(value)
