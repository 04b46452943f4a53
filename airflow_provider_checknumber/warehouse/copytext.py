"""
Columns of values to the text that ``COPY FROM STDIN`` reads, a whole column at a time.

A row costs one place in one ``str.join``: what follows a value (the tab, the columns that are the same on
every row, the line's end) is joined on with it, and a column is escaped only if one of its values needs it.

The format is PostgreSQL's text format: tab between values, ``\\N`` for NULL, and a backslash before a
backslash, tab, newline or carriage return.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

from airflow_provider_checknumber.warehouse.columns import Batch, LoadColumn

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"

#: How yes and no are written, by what the table's column holds.
_BOOLEANS = {"text": ("true", "false"), "number": ("1", "0")}


class CopyText:
    """
    Makes the text of batches.

    :param varying: the columns that a batch holds.
    :param constants: values of the columns after those, the same on every row.
    """

    def __init__(self, varying: Sequence[LoadColumn], constants: Sequence[str] = ()) -> None:
        tail = "".join(f"\t{escape(value)}" for value in constants) + "\n"
        ends = ["\t"] * (len(varying) - 1) + [tail]
        self._writers = [_writer(column, end) for column, end in zip(varying, ends, strict=True)]

    def chunks(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Return the text of each batch, in UTF-8."""
        for batch in batches:
            rows = len(batch[0])
            parts: list[Any] = []
            for writer, column in zip(self._writers, batch, strict=True):
                parts += writer(column)
            flat: list[str] = [""] * (rows * len(parts))
            for place, part in enumerate(parts):
                flat[place :: len(parts)] = part
            yield "".join(flat).encode()


def escape(value: str) -> str:
    """Return one value with what the format means otherwise escaped."""
    return value.translate(_ESCAPES)


def _writer(column: LoadColumn, end: str) -> Callable[[list[Any]], list[Any]]:
    """Return what turns a column into lists of strings, of which the last closes with ``end``."""
    if column.kind == "boolean":
        yes, no = _BOOLEANS.get(column.stored, ("t", "f"))
        words = {True: yes + end, False: no + end, None: _NULL + end}
        return lambda values: [list(map(words.__getitem__, values))]
    return lambda values: [_text(values), list(repeat(end, len(values)))]


def _text(values: list[str | None]) -> list[str]:
    if None in values:
        return [_NULL if value is None else escape(value) for value in values]
    if _SPECIAL.search("".join(values)):  # type: ignore[arg-type]
        return [escape(value) for value in values]  # type: ignore[arg-type]
    return values  # type: ignore[return-value]
