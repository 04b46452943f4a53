"""
Columns of values to lines of text for a bulk loader, a whole column at a time.

A row costs a few places in one ``str.join``: what stands around a yes or no (the tab before it, and on the
last column whatever is the same on every row) is joined on with it, and a column is escaped only if one of
its values needs it. NULL is ``\\N`` in both formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from airflow_provider_checknumber.warehouse.columns import Batch, LoadColumn

_NULL = "\\N"
_BACKSLASHES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

_Values = Callable[[list[Any]], Iterable[str]]


@dataclass(frozen=True, slots=True)
class TextFormat:
    """
    How values stand in a line; there are tabs between them.

    :param special: characters that a value cannot hold as they are.
    :param escape: writes a value that holds one of them.
    """

    special: str
    escape: Callable[[str], str]


#: What PostgreSQL's ``COPY`` and MySQL's ``LOAD DATA`` read when nothing else is said.
BACKSLASHED = TextFormat("\\\t\n\r", lambda value: value.translate(_BACKSLASHES))
#: Values in double quotes where they need them, as in CSV. A backslash needs them to be no NULL.
QUOTED = TextFormat('"\\\t\n\r', lambda value: '"' + value.replace('"', '""') + '"')


class RowText:
    """
    Makes the lines of batches.

    :param varying: the columns that a batch holds.
    :param constants: values of the columns after those, the same on every row.
    :param booleans: how yes and no are written, by what the table's column holds.
    """

    def __init__(
        self,
        text_format: TextFormat,
        varying: Sequence[LoadColumn],
        constants: Sequence[str | None] = (),
        *,
        booleans: Callable[[LoadColumn], tuple[str, str]],
    ) -> None:
        self._format = text_format
        tail = "".join(f"\t{_NULL if value is None else self._one(value)}" for value in constants) + "\n"
        self._parts: list[tuple[int, _Values]] = []
        between = ""
        for place, column in enumerate(varying):
            if column.kind == "boolean":
                last = place == len(varying) - 1
                self._parts.append((place, _words(booleans(column), between, tail if last else "")))
                between = "" if last else "\t"
            else:
                if between:
                    self._parts.append((place, _always(between)))
                self._parts.append((place, self._text))
                between = "\t"
        if between:
            self._parts.append((0, _always(tail)))

    def chunks(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Return the lines of each batch, in UTF-8."""
        for batch in batches:
            parts = [values(batch[place]) for place, values in self._parts]
            yield interleaved(parts, len(batch[0])).encode()

    def _one(self, value: str) -> str:
        return (
            self._format.escape(value) if any(special in value for special in self._format.special) else value
        )

    def _text(self, values: list[str | None]) -> list[str]:
        if None in values:
            return [_NULL if value is None else self._one(value) for value in values]
        complete: list[str] = values  # type: ignore[assignment]
        together = "".join(complete)
        if any(special in together for special in self._format.special):
            return list(map(self._one, complete))
        return complete


def interleaved(parts: Sequence[Iterable[str]], rows: int) -> str:
    """Return the first of all parts, then the second of all parts, and so on, as one string."""
    flat: list[str] = [""] * (rows * len(parts))
    for at, values in enumerate(parts):
        flat[at :: len(parts)] = values
    return "".join(flat)


def _words(booleans: tuple[str, str], before: str, after: str) -> _Values:
    """Return what turns yes, no and not determined into their words, with what stands around them."""
    yes, no = booleans
    words = {True: yes, False: no, None: _NULL}
    framed = {value: f"{before}{word}{after}" for value, word in words.items()}
    return lambda values: map(framed.__getitem__, values)


def _always(text: str) -> _Values:
    return lambda values: repeat(text, len(values))
