"""
A result as its reader sees it: typed columns, and batches of rows as one list a column.

Not for finding the table in an archive (:mod:`.choice`), nor for loading it anywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal, get_args

from airflow_provider_checknumber.results.columns import (
    DOCUMENTED_ANSWERS,
    NUMBER_COLUMN,
    Answers,
    ResultColumn,
    column_kind,
    column_names,
    numbers,
    texts,
)
from airflow_provider_checknumber.results.errors import MalformedRowError, NoNumberColumnError, shown
from airflow_provider_checknumber.results.rows import BadRow, RawRows, RowSource

log = logging.getLogger(__name__)

OnBadRow = Literal["fail", "skip"]


@dataclass(frozen=True)
class ResultBatch:
    """
    Some rows of a result, in columns.

    :param first_line: the line that the first of them begins at, the header being line 1.
    :param columns: one list for each column of the table, all of one length.
    :param lines: the line that each row begins at, default: one after the other.
    :param member: the file that they are from.
    """

    first_line: int
    columns: list[list[Any]]
    lines: Sequence[int] | None = None
    member: str = ""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def line(self, index: int) -> int:
        """Return the line that a row of the batch begins at."""
        return self.first_line + index if self.lines is None else self.lines[index]


@dataclass
class ResultCounts:
    """
    What has been read of a table so far.

    :param rows_read: rows of data, malformed ones included.
    :param malformed: rows left out because they do not fit the table.
    :param not_determined: rows given out whose answer is neither yes nor no. The answer is the column
        named like the task type, else a documented one, else the first column of answers.
    """

    rows_read: int = 0
    malformed: int = 0
    not_determined: int = 0


class ResultTable:
    """
    The table of a result; made by :func:`open_results`.

    :param source: where its rows come from.
    :param task_type: the task's type, which names the column of answers in many products.
    :raises NoNumberColumnError: when no column is named ``number``.
    """

    def __init__(self, source: RowSource, *, task_type: str | None) -> None:
        self._source = source
        names = column_names(source.header)
        if NUMBER_COLUMN not in names:
            raise NoNumberColumnError(f"The table {source.name} has no column named number.")
        sample = next(source.rows(), RawRows(source.name, [[] for _ in names], []))
        columns = [
            ResultColumn(name, column_kind(name, cells, task_type=task_type))
            for name, cells in zip(names, sample.columns, strict=True)
        ]
        number = names.index(NUMBER_COLUMN)
        self._order = [number, *(place for place in range(len(names)) if place != number)]
        #: The columns, that of the numbers first.
        self.columns = tuple(columns[place] for place in self._order)
        #: The file of the archive that it is read from, or several joined by "and".
        self.member = source.name
        #: What has been read so far.
        self.counts = ResultCounts()
        self._answer = _answer_column(self.columns, task_type)

    def batches(self, max_rows: int = 65_536, *, on_bad_row: OnBadRow = "fail") -> Iterator[ResultBatch]:
        """
        Read the table from its beginning; the counts begin anew.

        :param max_rows: most rows in a batch; most batches have fewer.
        :param on_bad_row: ``"fail"`` stops at a row that does not fit the table, ``"skip"`` leaves it
            out and counts it.
        :raises MalformedRowError: at such a row.
        :raises UnreadableArchiveError: when the file is damaged; some of that shows only at its end.
        :raises ArchiveLimitError: when it is larger than the limits allow.
        """
        if on_bad_row not in get_args(OnBadRow):
            raise ValueError(f"on_bad_row={on_bad_row!r} is none of {', '.join(get_args(OnBadRow))}")
        self.counts = ResultCounts()
        answers = {column.name: Answers() for column in self.columns if column.kind == "boolean"}
        for raw in self._source.rows():
            values, lines, bad = self._convert(raw, answers)
            self._count(values, bad)
            if bad and on_bad_row == "fail":
                raise _malformed(raw.member, min(bad))
            for start in range(0, len(lines), max_rows):
                stop = start + max_rows
                columns = values if stop - start >= len(lines) else [column[start:stop] for column in values]
                part = lines[start:stop]
                yield ResultBatch(part[0], columns, None if isinstance(part, range) else part, raw.member)
        for name, answer in answers.items():
            if answer.unexpected:
                log.warning(
                    "Column %s of %s held words that are no known answer; they count as not determined.",
                    shown(name),
                    self.member,
                )

    def _convert(
        self, raw: RawRows, answers: dict[str, Answers]
    ) -> tuple[list[list[Any]], Sequence[int], list[BadRow]]:
        """Return rows as values in columns, the line of each, and the bad rows that are left out."""
        number_cells, *others = (raw.columns[place] for place in self._order)
        number_values, only_numbers = numbers(number_cells)
        values = [number_values, *map(self._values, self.columns[1:], others, repeat(answers))]
        if only_numbers:
            return values, raw.lines, raw.bad
        return _without_strays(raw, values)

    @staticmethod
    def _values(column: ResultColumn, cells: list[str], answers: dict[str, Answers]) -> list[Any]:
        return answers[column.name].convert(cells) if column.kind == "boolean" else texts(cells)

    def _count(self, values: Sequence[Sequence[Any]], bad: Sequence[BadRow]) -> None:
        self.counts.rows_read += len(values[0]) + len(bad)
        self.counts.malformed += len(bad)
        if self._answer is not None:
            self.counts.not_determined += values[self._answer].count(None)


def _without_strays(
    raw: RawRows, values: list[list[Any]]
) -> tuple[list[list[Any]], Sequence[int], list[BadRow]]:
    """Leave out headers that are repeated and rows without a number; return values, lines and bad rows."""
    strays = {
        index for index, number in enumerate(values[0]) if not number or number.lower() == NUMBER_COLUMN
    }
    if not strays:
        return values, raw.lines, raw.bad
    blank = [BadRow(raw.lines[index], "no number") for index in sorted(strays) if not values[0][index]]
    kept = [index for index in range(len(raw.lines)) if index not in strays]
    values = [[column[index] for index in kept] for column in values]
    return values, [raw.lines[index] for index in kept], [*raw.bad, *blank]


def _malformed(member: str, row: BadRow) -> MalformedRowError:
    return MalformedRowError(
        f"Line {row.line} of {member} does not fit the table ({row.reason}); nothing was taken from it. "
        'Set on_bad_row="skip" to leave such rows out.',
        line=row.line,
    )


def _answer_column(columns: Sequence[ResultColumn], task_type: str | None) -> int | None:
    """Return the place of the column that the task was about, None where there are no answers."""
    answers = [place for place, column in enumerate(columns) if column.kind == "boolean"]
    if not answers:
        return None

    def rank(place: int) -> tuple[bool, bool, int]:
        name = columns[place].name
        named_so = task_type is not None and name == task_type.lower()
        return (not named_so, name not in DOCUMENTED_ANSWERS, place)

    return min(answers, key=rank)
