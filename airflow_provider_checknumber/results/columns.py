"""
What the columns of a result mean, and their cells as values, a whole column at a time.

Numbers become E.164 with their ``+``, the answers of the documented columns become booleans, anything
not determined becomes None. Not for reading files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

ColumnKind = Literal["number", "boolean", "text"]

NUMBER_COLUMN = "number"
#: Columns that the services document as yes or no.
DOCUMENTED_ANSWERS = frozenset({"activated", "htx", "twitter"})

_ANSWERS: dict[str, bool | None] = {"yes": True, "no": False}
# What an undetermined answer has been seen to look like: enough to know a column of answers by.
_ANSWER_WORDS = frozenset({"yes", "no", "unknown", "undetermined"})
_E164_COLUMN = re.compile(r"\+[1-9][0-9]{1,14}(?:\n\+[1-9][0-9]{1,14})*+")
_BARE_COLUMN = re.compile(r"[1-9][0-9]{1,14}(?:\n[1-9][0-9]{1,14})*+")
_BARE = re.compile(r"[1-9][0-9]{1,14}")


@dataclass(frozen=True)
class ResultColumn:
    """
    A column of a result.

    :param name: its name in small letters; a second column of one name has ``_2`` after it.
    :param kind: ``"number"``: E.164 with its ``+``, or what stood there where that is no number;
        ``"boolean"``: True, False or None; ``"text"``: str, or None where the cell is empty.
    """

    name: str
    kind: ColumnKind


def has_number_column(header: Sequence[str]) -> bool:
    """Return whether a header names the column that all results share."""
    return any(_folded(cell) == NUMBER_COLUMN for cell in header)


def column_names(header: Sequence[str]) -> list[str]:
    """Return a header's names in small letters and printable, each only once and none empty."""
    # A dict for its order; and where counting goes on for a name that comes again and again.
    names: dict[str, None] = {}
    counts: dict[str, int] = {}
    for place, cell in enumerate(header, start=1):
        printable = "".join(char if char.isprintable() else "_" for char in _folded(cell))
        name = unique = printable or f"column_{place}"
        while unique in names:
            counts[name] = counts.get(name, 1) + 1
            unique = f"{name}_{counts[name]}"
        names[unique] = None
    return list(names)


def column_kind(name: str, cells: Collection[str], *, task_type: str | None) -> ColumnKind:
    """
    Return what a column holds.

    :param name: its name in small letters.
    :param cells: some of its cells.
    :param task_type: the task's type, which names its column of answers in many products.
    """
    if name == NUMBER_COLUMN:
        return "number"
    if name in DOCUMENTED_ANSWERS or (task_type is not None and name == task_type.lower()):
        return "boolean"
    words = {cell.strip().lower() for cell in set(cells)} - {""}
    return "boolean" if words <= _ANSWER_WORDS and words & _ANSWERS.keys() else "text"


def numbers(cells: list[str]) -> tuple[list[str], bool]:
    """
    Return a column of numbers with their ``+``, and whether it holds nothing else.

    What is no number stays, without spaces around it.
    """
    joined = "\n".join(cells)
    if _E164_COLUMN.fullmatch(joined):
        return cells, True
    if _BARE_COLUMN.fullmatch(joined):
        complete = ("+" + joined.replace("\n", "\n+")).split("\n")
        if len(complete) == len(cells):
            return complete, True
    return ["+" + cell if _BARE.fullmatch(cell) else cell for cell in map(str.strip, cells)], False


class Answers:
    """A column of answers; remembers how each way of writing one is to be read."""

    # A column with more ways of writing than this holds no answers; they need not all be remembered.
    _MOST_SPELLINGS = 1_000

    def __init__(self) -> None:
        self._known: dict[str, bool | None] = dict(_ANSWERS)
        #: Whether a cell was neither empty, nor an answer, nor a known word for having none.
        self.unexpected = False

    def convert(self, cells: list[str]) -> list[Any]:
        """Return True for yes, False for no, and None for anything else."""
        answers = list(map(self._known.get, cells))
        if None not in answers:
            return answers
        new = set(cells).difference(self._known)
        if not new:
            return answers
        words = {spelling: _folded(spelling) for spelling in new}
        self.unexpected = self.unexpected or not _ANSWER_WORDS.issuperset(filter(None, words.values()))
        spelled = {spelling: _ANSWERS.get(word) for spelling, word in words.items()}
        if len(self._known) < self._MOST_SPELLINGS:
            self._known.update(spelled)
        return [self._known.get(cell, spelled.get(cell)) for cell in cells]


def texts(cells: list[str]) -> list[Any]:
    """Return a column of text with None for its empty cells."""
    return [cell or None for cell in cells] if "" in cells else cells


def _folded(cell: str) -> str:
    return cell.strip().lower()
