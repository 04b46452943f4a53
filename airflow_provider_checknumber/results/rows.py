"""Rows on their way from a file to the reader: columns of strings, before it is known what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class BadRow(NamedTuple):
    """
    A row that does not fit the table.

    :param line: the line it begins at.
    :param reason: what is wrong with it.
    """

    line: int
    reason: str


@dataclass
class RawRows:
    """
    Some rows of a table as columns of strings.

    :param member: the file they are from.
    :param columns: one list a column, all of one length.
    :param lines: the line that each row begins at.
    :param bad: rows that are left out.
    """

    member: str
    columns: list[list[str]]
    lines: Sequence[int]
    bad: list[BadRow] = field(default_factory=list)


class RowSource(Protocol):
    """A table of an archive, whatever it is written in."""

    @property
    def name(self) -> str:
        """What a message calls it."""
        ...

    @property
    def header(self) -> Sequence[str]:
        """The names of its columns as they are written."""
        ...

    def rows(self) -> Iterator[RawRows]:
        """Read it from its first row on; may be called more than once."""
        ...
