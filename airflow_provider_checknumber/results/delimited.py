"""
A table in text, read a block of lines at a time into columns of strings.

A block in which every line has the right number of separators and no quotation mark is cut up whole;
only another goes through the csv module row by row. Not for what the cells mean: see :mod:`.columns`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

import numpy as np

from airflow_provider_checknumber.results.columns import has_number_column
from airflow_provider_checknumber.results.errors import (
    ArchiveLimitError,
    MalformedRowError,
    UnreadableArchiveError,
)
from airflow_provider_checknumber.results.rows import BadRow, RawRows
from airflow_provider_checknumber.text import (
    MAX_LINE,
    ByteStream,
    LineTooLongError,
    UndecodableTextError,
    utf8_blocks,
)

DELIMITERS = ",;\t|"

# Rows that the csv module makes lists of before they are made columns: so few that Python's search for
# garbage, which the number of living lists sets off, has no cause to begin. That search took half the time.
_ROWS_AT_ONCE = 256

# NUL, which no database takes, and what "surrogateescape" makes of bytes that are no UTF-8.
_NO_TEXT = re.compile("[\0\udc80-\udcff]")


class DelimitedTable:
    """
    One pass over a table in text. The header is read at once, the rows as they are asked for.

    :param stream: the bytes of the file.
    :param name: what a message calls it.
    :param max_columns: columns it may have.
    :param header: the names of its columns, default: its first line has them.
    :raises UnreadableArchiveError: when it is not text of the encoding that it declares.
    :raises ArchiveLimitError: when a line or the number of columns is beyond all reason.
    """

    def __init__(
        self, stream: ByteStream, *, name: str, max_columns: int, header: list[str] | None = None
    ) -> None:
        self._name = name
        self._blocks = self._guarded(utf8_blocks(stream))
        self._line = 1
        self._rest = b""
        if header is None:
            self._delimiter, self.header = self._take_header()
        else:
            self._delimiter, self.header = ",", header
        if len(self.header) > max_columns:
            raise ArchiveLimitError(
                f"{name} has {len(self.header)} columns, more than the {max_columns} allowed; raise max_columns of "
                "archive_limits if it is to be trusted."
            )

    def rows(self) -> Iterator[RawRows]:
        """
        Yield the rows below the header.

        :raises MalformedRowError: when a quotation mark is left open, so that where rows end is unknown.
        """
        while block := self._next_block():
            yield self._cut_up(block) or self._parse(block) or self._read_rows(block)

    def leave_aside(self) -> None:
        """Check what will not be read: damage may be all that sets it apart from the tables that are."""
        for _ in self._blocks:
            pass

    def _next_block(self) -> bytes:
        block, self._rest = self._rest, b""
        return block or next(self._blocks, b"")

    def _take_header(self) -> tuple[str, list[str]]:
        """Read the first line that is not empty; return the delimiter and the cells."""
        first = next(self._blocks, b"")
        while first and not (text := first.lstrip(b"\r\n")):
            self._line += first.count(b"\n")
            first = next(self._blocks, b"")
        begin = len(first) - len(text) if first else 0
        end = first.find(b"\n", begin) + 1
        self._rest = first[end:]
        self._line += first.count(b"\n", 0, end)
        return _read_header(first[begin:end].decode(errors="replace"))

    def _guarded(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks
        except UndecodableTextError:
            raise UnreadableArchiveError(
                f"{self._name} is not text of the encoding that its byte order mark declares."
            ) from None
        except LineTooLongError:
            raise ArchiveLimitError(f"A line of {self._name} has more than {MAX_LINE} bytes.") from None

    def _cut_up(self, block: bytes) -> RawRows | None:
        """Read a block whose lines are all regular and without quotation marks, None if it is not one."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if any(mark in block for mark in (b'"', b"\r", b"\0", b"\n\n")) or block.startswith(b"\n"):
            return None
        width = len(self.header)
        raw = np.frombuffer(block, dtype=np.uint8)
        delimiter = ord(self._delimiter)
        separators = raw[(raw == delimiter) | (raw == ord("\n"))]
        if len(separators) % width:
            return None
        separators = separators.reshape(-1, width)
        if not ((separators[:, -1] == ord("\n")).all() and (separators[:, :-1] == delimiter).all()):
            return None
        try:
            text = block.decode()
        except UnicodeDecodeError:
            return None
        cells = text.replace("\n", self._delimiter).split(self._delimiter)
        cells.pop()
        columns = [cells[place::width] for place in range(width)]
        if _has_blank_lines(columns):
            return None
        return self._rows(columns, range(self._line, self._line + len(columns[0])))

    def _parse(self, block: bytes) -> RawRows | None:
        """Read a block whose rows all fit the table, None if not all do; an unfinished row is put back."""
        whole = _end_of_rows(block)
        block, rest = block[:whole], block[whole:]
        if b"\0" in block:
            return None
        columns: list[list[str]] = [[] for _ in self.header]
        lines: list[int] = []
        first = self._line
        try:
            text = block.decode()
            reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=self._delimiter, strict=True)
            while rows := list(islice(reader, _ROWS_AT_ONCE)):
                if set(map(len, rows)) != {len(columns)}:
                    return None
                for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
                    column.extend(cells)
                after = self._line + reader.line_num
                lines.extend(_first_lines(rows, first, after))
                first = after
        except (UnicodeDecodeError, csv.Error):
            return None
        if _has_blank_lines(columns):
            return None
        self._rest = rest
        return self._rows(columns, lines, height=text.count("\n"))

    def _read_rows(self, block: bytes) -> RawRows:
        """Read a block row by row, and as much of the next ones as its last row goes on in."""
        feeder = _LineFeeder(block, self._blocks)
        reader = csv.reader(feeder, delimiter=self._delimiter, strict=True)
        good: list[list[str]] = []
        lines: list[int] = []
        bad: list[BadRow] = []
        while not feeder.block_is_read:
            fed = feeder.begin_row()
            line = self._line + fed
            try:
                row = next(reader)
            except (csv.Error, _RowTooLongError):
                if feeder.lines_fed - fed > 1:
                    raise MalformedRowError(
                        f"The row at line {line} of {self._name} has a quotation mark that is not closed.",
                        line=line,
                    ) from None
                bad.append(BadRow(line, "not readable as CSV"))
                continue
            if len(row) < 2 and not any(map(str.strip, row)):
                continue
            if len(row) != len(self.header):
                bad.append(BadRow(line, f"{len(row)} cells where the header has {len(self.header)}"))
            elif any(map(_NO_TEXT.search, row)):
                bad.append(BadRow(line, "bytes that are no text"))
            else:
                good.append(row)
                lines.append(line)
        self._rest = feeder.rest()
        columns = [list(column) for column in zip(*good, strict=True)] or [[] for _ in self.header]
        return self._rows(columns, lines, bad, height=feeder.lines_fed)

    def _rows(
        self,
        columns: list[list[str]],
        lines: Sequence[int],
        bad: Sequence[BadRow] = (),
        *,
        height: int | None = None,
    ) -> RawRows:
        self._line += len(lines) if height is None else height
        return RawRows(self._name, columns, lines, list(bad))


def _has_blank_lines(columns: list[list[str]]) -> bool:
    """Return whether a row is none: a line of spaces or ``""`` has as many cells as a table of one column."""
    return len(columns) == 1 and not all(map(str.strip, columns[0]))


def _end_of_rows(block: bytes) -> int:
    """
    Return where the last row ends that is whole, going by quotation marks.

    Where a mark stands within a cell that has none around it, this is wrong; reading row by row is not.
    """
    end = len(block)
    if block.count(b'"') % 2 == 0:
        return end
    last_mark = block.rfind(b'"')
    # An open cell began with the last mark that is followed by nothing but text; its row, before it.
    return block.rfind(b"\n", 0, last_mark) + 1 or end


def _first_lines(rows: list[list[str]], first: int, after: int) -> Iterable[int]:
    """Return the line that each row begins at, given that of the first and the one after the last."""
    if after - first == len(rows):
        return range(first, after)
    return accumulate((1 + sum(cell.count("\n") for cell in row) for row in rows[:-1]), initial=first)


def _split(text: str) -> list[str]:
    """Return lines with their ends; what ``str.splitlines`` also takes for one may be part of a name."""
    lines = text.split("\n")
    lines.pop()
    return [line + "\n" for line in lines]


class _RowTooLongError(Exception):
    """A row goes on over more lines than any row would."""


class _LineFeeder:
    """
    Gives the csv module the lines of a block, and those of the next ones when a row goes on there.

    :param block: the block.
    :param more: the blocks after it.
    """

    def __init__(self, block: bytes, more: Iterator[bytes]) -> None:
        self._more = more
        self._lines = _split(block.decode(errors="surrogateescape"))
        self._next = 0
        self._row_length = 0
        self._passed_on = False
        #: Lines given so far.
        self.lines_fed = 0

    @property
    def block_is_read(self) -> bool:
        """Whether all lines of the block were given, perhaps with some of the next."""
        return self._passed_on or self._next == len(self._lines)

    def begin_row(self) -> int:
        """Take note that a row begins; return how many lines there were before."""
        self._row_length = 0
        return self.lines_fed

    def rest(self) -> bytes:
        """Return the lines of the last block that were not given."""
        return "".join(self._lines[self._next :]).encode(errors="surrogateescape")

    def __iter__(self) -> _LineFeeder:
        return self

    def __next__(self) -> str:
        if self._next == len(self._lines):
            self._lines = _split(next(self._more).decode(errors="surrogateescape"))
            self._next = 0
            self._passed_on = True
        line = self._lines[self._next]
        self._next += 1
        self.lines_fed += 1
        self._row_length += len(line)
        if self._row_length > 2 * MAX_LINE:
            raise _RowTooLongError
        return line


def _read_header(line: str) -> tuple[str, list[str]]:
    """Return a header's delimiter and its cells: the one that sets the number column apart, or makes most."""
    best = (",", [line.strip()])
    for delimiter in DELIMITERS:
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            continue
        if has_number_column(cells):
            return delimiter, cells
        if len(cells) > len(best[1]):
            best = (delimiter, cells)
    return best
