"""The table that the demo's DAG has filled: its counts, its first rows, and what is missing from it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_FIRST_ROWS = 5


class ResultTable:
    """A result table in a SQLite file.

    :param database: the file.
    :param name: the table's name, one of the demo's own.
    """

    def __init__(self, database: Path, name: str) -> None:
        self._database = database
        self._name = f'"{name}"'

    def summary(self, column: str) -> Iterator[str]:
        """Yield lines that count the answers in the yes/no column ``column`` and show the first rows.

        :raises sqlite3.Error: when there is no such table or column.
        """
        with self._connect() as connection:
            counts = dict(
                connection.execute(f'SELECT "{column}", count(*) FROM {self._name} GROUP BY 1')  # noqa: S608
            )
            rows = connection.execute(f"SELECT * FROM {self._name} LIMIT {_FIRST_ROWS}")  # noqa: S608
            header = [description[0] for description in rows.description]
            cells = [header, *([_cell(value) for value in row] for row in rows)]
        yield (
            f"{sum(counts.values()):,} rows: {counts.get(1, 0):,} yes, {counts.get(0, 0):,} no, "
            f"{counts.get(None, 0):,} not determined"
        )
        widths = [max(map(len, values)) for values in zip(*cells, strict=True)]
        for row in cells:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    def count_missing(self, number_file: Path) -> int:
        """Return how many lines of ``number_file`` are not in the table's column ``number``."""
        with self._connect() as connection, number_file.open(encoding="ascii") as lines:
            connection.execute("CREATE TEMP TABLE submitted (number TEXT PRIMARY KEY)")
            connection.executemany("INSERT INTO submitted VALUES (?)", ((line.strip(),) for line in lines))
            query = f"SELECT number FROM submitted EXCEPT SELECT number FROM {self._name}"  # noqa: S608
            return int(connection.execute(f"SELECT count(*) FROM ({query})").fetchone()[0])  # noqa: S608

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            yield connection


def _cell(value: object) -> str:
    return "NULL" if value is None else str(value)
