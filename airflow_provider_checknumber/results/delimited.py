"""
A table in text, read a block of lines at a time into columns of strings.

A block in which every line has the right number of separators and no quotation mark is cut up whole;
only another goes through the csv module row by row. Not for what the cells mean: see :mod:`.columns`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

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
                f"{name} has {len(self.header)} columns, more than the {max_columns} allowed."
            )
        self._folded_header = [cell.strip().lower() for cell in self.header]
        self._header_line = self._delimiter.join(self.header).encode(errors="surrogateescape") + b"\n"

    def rows(self) -> Iterator[RawRows]:
        """
        Yield the rows below the header.

        :raises MalformedRowError: when a quotation mark is left open, so that where rows end is unknown.
        """
        if self._rest:
            yield self._read_block(self._rest)
        for block in self._blocks:
            yield self._read_block(block)

    def _take_header(self) -> tuple[str, list[str]]:
        """Read the first line that is not empty; return the delimiter and the cells."""
        first = next(self._blocks, b"")
        begin = len(first) - len(first.lstrip(b"\r\n"))
        end = first.find(b"\n", begin) + 1
        self._rest = first[end:]
        self._line += first.count(b"\n", 0, end)
        return _read_header(first[begin:end].decode(errors="surrogateescape"))

    def _guarded(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks
        except UndecodableTextError:
            raise UnreadableArchiveError(
                f"{self._name} is not text of the encoding that its byte order mark declares."
            ) from None
        except LineTooLongError:
            raise ArchiveLimitError(f"A line of {self._name} has more than {MAX_LINE} bytes.") from None

    def _read_block(self, block: bytes) -> RawRows:
        if b"\r\n" in block and b'"' not in block:
            block = block.replace(b"\r\n", b"\n")
        columns = self._cut_up(block)
        if columns is None:
            return self._read_rows(block)
        first = self._line
        self._line += len(columns[0])
        return RawRows(self._name, columns, range(first, self._line))

    def _cut_up(self, block: bytes) -> list[list[str]] | None:
        """Return a regular block's columns, or None where rows have to be looked at one by one."""
        header = self._header_line
        if b'"' in block or b"\r" in block or b"\0" in block or block.startswith((b"\n", header)):
            return None
        if b"\n\n" in block or b"\n" + header in block:
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
        return [cells[place::width] for place in range(width)]

    def _read_rows(self, block: bytes) -> RawRows:
        """Read an irregular block, and of the next ones as much as its last row goes on in them."""
        feeder = _LineFeeder(block, self._blocks)
        reader = csv.reader(feeder, delimiter=self._delimiter, strict=True)
        good: list[list[str]] = []
        lines: list[int] = []
        bad: list[BadRow] = []
        while not feeder.at_block_end:
            line = self._line + feeder.lines_fed
            feeder.bytes_of_row = 0
            fed = feeder.lines_fed
            try:
                row = next(reader)
            except (csv.Error, _RowTooLongError):
                if feeder.lines_fed - fed > 1:
                    raise MalformedRowError(
                        f"The row at line {line} of {self._name} has a quotation mark that is not closed.",
                        line=line,
                    ) from None
                bad.append(BadRow(line, "misplaced quotation marks"))
                continue
            reason = self._judge(row)
            if reason:
                bad.append(BadRow(line, reason))
            elif row and [cell.strip().lower() for cell in row] != self._folded_header:
                good.append(row)
                lines.append(line)
        self._line += feeder.lines_fed
        columns = [list(column) for column in zip(*good, strict=True)] or [[] for _ in self.header]
        return RawRows(self._name, columns, lines, bad)

    def _judge(self, row: list[str]) -> str:
        """Return what is wrong with a row, nothing where it is fine or empty."""
        if len(row) != len(self.header):
            if not any(map(str.strip, row)) and len(row) < 2:
                row.clear()
                return ""
            return f"{len(row)} cells where the header has {len(self.header)}"
        if any(map(_NO_TEXT.search, row)):
            return "bytes that are no text"
        return ""


class _RowTooLongError(Exception):
    """A row goes on over more lines than any row would."""


class _LineFeeder:
    """
    Gives the csv module the lines of a block, and those of the next ones when a row goes on there.

    Lines end with newline characters only: what ``str.splitlines`` takes for one may be part of a name.
    """

    def __init__(self, block: bytes, more: Iterator[bytes]) -> None:
        self._more = more
        self._lines = self._split(block)
        self._next = 0
        self.lines_fed = 0
        self.bytes_of_row = 0

    @property
    def at_block_end(self) -> bool:
        """Whether the last line given was the last of a block."""
        return self._next == len(self._lines)

    def __iter__(self) -> _LineFeeder:
        return self

    def __next__(self) -> str:
        if self.at_block_end:
            self._lines = self._split(next(self._more))
            self._next = 0
        line = self._lines[self._next]
        self._next += 1
        self.lines_fed += 1
        self.bytes_of_row += len(line)
        if self.bytes_of_row > 2 * MAX_LINE:
            raise _RowTooLongError
        return line

    @staticmethod
    def _split(block: bytes) -> list[str]:
        lines = block.decode(errors="surrogateescape").split("\n")
        lines.pop()
        return [line + "\n" for line in lines]


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
