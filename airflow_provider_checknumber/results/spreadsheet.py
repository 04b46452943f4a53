"""
A table in a spreadsheet (``.xlsx``), read row by row with openpyxl.

openpyxl holds one row, and all shared strings, in memory, however large. So the file is looked through
first, and one made to fill the memory is refused before openpyxl sees it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from airflow_provider_checknumber.results.archive import Archive, ArchiveLimits, Member, open_archive
from airflow_provider_checknumber.results.columns import has_number_column
from airflow_provider_checknumber.results.errors import (
    ArchiveLimitError,
    MissingExtraError,
    NoNumberColumnError,
    ResultError,
    UnreadableArchiveError,
)
from airflow_provider_checknumber.results.rows import BadRow, RawRows
from airflow_provider_checknumber.text import BLOCK_SIZE

log = logging.getLogger(__name__)

#: The member by which a zip is known to be a spreadsheet.
SPREADSHEET_MARK = "xl/workbook.xml"

_SHEETS = "xl/worksheets/"
_ROWS_PER_BLOCK = 8_192
# Bytes after which a row, or one shared string, is none.
_MOST_BYTES_OF_ONE = 4 << 20
# Members that openpyxl takes in whole, such as styles and the list of sheets.
_MOST_BYTES_OF_OTHERS = 16 << 20
# A sheet ends at row 1,048,576; a few text columns of it may be all different.
_MOST_SHARED_STRINGS = 4 << 20
_MOST_BYTES_OF_STRINGS = 128 << 20
_END_OF_ONE = re.compile(rb"</(?:\w+:)?(?:row|si)\b")


class Spreadsheet:
    """
    The first sheet of a workbook that has a number column.

    :param path: the file.
    :param name: what a message calls it.
    :param limits: what reading it may cost.
    :param stack: closes the file when the table is done with.
    :raises MissingExtraError: when openpyxl is not installed.
    :raises ArchiveLimitError: when reading it would fill the memory.
    :raises NoNumberColumnError: when no sheet has such a column.
    :raises UnreadableArchiveError: when it is damaged.
    """

    def __init__(self, path: Path, *, name: str, limits: ArchiveLimits, stack: ExitStack) -> None:
        self.name = name
        self._limits = limits
        with open_archive(path, limits=limits) as archive:
            _refuse_bombs(archive, name)
        # Given as a stream: openpyxl refuses a path by its suffix, whatever is in the file. Opened once,
        # for openpyxl reads a sheet that does not say its size to the end when it opens it.
        book = _open_book(stack.enter_context(path.open("rb")), name)
        stack.callback(book.close)
        self._sheet, self.header, self._first_row = self._find_table(book.worksheets)

    def rows(self) -> Iterator[RawRows]:
        """Read the sheet below its header."""
        below = islice(enumerate(_sheet_rows(self._sheet, self.name), start=1), self._first_row, None)
        while batch := list(islice(below, _ROWS_PER_BLOCK)):
            yield self._columns(batch)

    def _columns(self, batch: Sequence[tuple[int, tuple[Any, ...]]]) -> RawRows:
        width = len(self.header)
        good: list[list[str]] = []
        lines: list[int] = []
        bad: list[BadRow] = []
        for line, values in batch:
            cells = _cells(values)
            if not cells:
                continue
            if len(cells) > width:
                bad.append(BadRow(line, f"{len(cells)} cells where the header has {width}"))
            elif any("\0" in cell for cell in cells):
                bad.append(BadRow(line, "bytes that are no text"))
            else:
                good.append(cells + [""] * (width - len(cells)))
                lines.append(line)
        columns = [list(column) for column in zip(*good, strict=True)] or [[] for _ in self.header]
        return RawRows(self.name, columns, lines, bad)

    def _find_table(self, sheets: Sequence[Any]) -> tuple[Any, list[str], int]:
        """Return the sheet to read, its header, and the row that is in."""
        for place, sheet in enumerate(sheets, start=1):
            # Looked for in the first rows only: a table begins at the top.
            for row, values in enumerate(islice(_sheet_rows(sheet, self.name), 100), start=1):
                cells = _cells(values)
                if not cells:
                    continue
                if not has_number_column(cells):
                    break
                if len(cells) > self._limits.max_columns:
                    raise ArchiveLimitError(
                        f"{self.name} has {len(cells)} columns, more than the {self._limits.max_columns} allowed; "
                        "raise max_columns of archive_limits if it is to be trusted."
                    )
                if len(sheets) > 1:
                    log.info("%s has %d sheets; reading sheet %d.", self.name, len(sheets), place)
                return sheet, cells, row
        raise NoNumberColumnError(
            f"None of the {len(sheets)} sheets of {self.name} has a column named number."
        )


def _open_book(stream: BinaryIO, name: str) -> Any:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError(
            f"{name} is a spreadsheet, which needs openpyxl: pip install 'airflow-provider-checknumber[xlsx]'."
        ) from None
    try:
        return openpyxl.load_workbook(stream, read_only=True, data_only=True)
    # Whatever a damaged file makes openpyxl stumble over, it is the file that is at fault.
    except Exception:
        raise _damaged(name) from None


def _sheet_rows(sheet: Any, name: str) -> Iterator[tuple[Any, ...]]:
    try:
        # The size that a sheet says it has is not believed: rows would be filled up to it.
        sheet.reset_dimensions()
        rows = sheet.iter_rows(values_only=True)
        while (row := next(rows, None)) is not None:
            yield row
    except Exception:
        raise _damaged(name) from None


def _cells(values: Sequence[Any]) -> list[str]:
    """Return a row's cells as text, without empty ones at its end, some of which a sheet keeps."""
    cells = [_as_text(value) for value in values]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def _refuse_bombs(archive: Archive, name: str) -> None:
    total = sum(member.size for member in archive.members)
    if total > archive.limits.max_spreadsheet_bytes:
        raise ArchiveLimitError(
            f"{name} unpacks to {total} bytes, more than the {archive.limits.max_spreadsheet_bytes} allowed "
            "for a spreadsheet; raise max_spreadsheet_bytes of archive_limits if it is to be trusted."
        )
    for member in archive.members:
        if member.suffix not in (".xml", ".rels"):
            continue
        if not member.name.startswith(_SHEETS):
            allowed = _MOST_BYTES_OF_STRINGS if _is_strings(member) else _MOST_BYTES_OF_OTHERS
            if member.size > allowed:
                raise ArchiveLimitError(
                    f"{member.name} of {name} has {member.size} bytes, which no result's has."
                )
        _look_through(archive, member, name)


def _look_through(archive: Archive, member: Member, name: str) -> None:
    """Refuse entity definitions, rows and strings without end, and strings without number."""
    length_of_one = ends = 0
    tail = b""
    is_sheet = member.name.startswith(_SHEETS)
    with archive.open(member) as stream:
        while chunk := stream.read(BLOCK_SIZE):
            data = tail + chunk
            tail = data[-16:]
            # NUL: UTF-16, in which nothing of this would be found.
            if b"<!DOCTYPE" in data or b"\0" in data:
                raise UnreadableArchiveError(f"{member.name} of {name} is written as no result's is.")
            if not is_sheet and not _is_strings(member):
                continue
            found = sum(1 for _ in _END_OF_ONE.finditer(data))
            ends += found
            length_of_one = 0 if found else length_of_one + len(chunk)
            if length_of_one > _MOST_BYTES_OF_ONE or (not is_sheet and ends > _MOST_SHARED_STRINGS):
                raise ArchiveLimitError(f"{member.name} of {name} would not fit into memory.")


def _is_strings(member: Member) -> bool:
    return member.stem == "sharedstrings"


def _damaged(name: str) -> ResultError:
    return UnreadableArchiveError(f"{name} is damaged or no spreadsheet that openpyxl can read.")
