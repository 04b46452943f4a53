"""
Columns of values to the rows of PostgreSQL's binary ``COPY``, a whole column at a time.

The server takes these in half the time of text, because it need not parse the same moment again on each row.
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT has the format. Rows are put
together as strings of which each character is one byte, which Python joins fastest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from struct import pack
from typing import Any

from airflow_provider_checknumber.warehouse.columns import Batch, LoadColumn
from airflow_provider_checknumber.warehouse.rowtext import interleaved

#: Signature, flags, length of the extension.
_HEADER = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
_TRAILER = pack(">h", -1)
_NULL = pack(">i", -1).decode("latin-1")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class RowBinary:
    """
    Makes the rows of batches.

    :param varying: the columns that a batch holds, of the types text, varchar or boolean.
    :param fixed: the columns after those, the same on every row, of the types text, varchar or timestamp.
    """

    def __init__(self, varying: Sequence[LoadColumn], fixed: Sequence[LoadColumn] = ()) -> None:
        self._varying = varying
        self._lead = pack(">h", len(varying) + len(fixed)).decode("latin-1")
        self._tail = "".join(map(_constant, fixed))

    def chunks(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Return what begins the data, the rows of each batch, and what ends the data."""
        yield _HEADER
        for batch in batches:
            yield interleaved(list(self._parts(batch)), len(batch[0])).encode("latin-1")
        yield _TRAILER

    def _parts(self, batch: Batch) -> Iterator[Iterable[str]]:
        """Yield what stands in a row, one iterable over all rows each."""
        lead = self._lead
        for place, (column, values) in enumerate(zip(self._varying, batch, strict=True)):
            tail = self._tail if place == len(self._varying) - 1 else ""
            if column.kind == "boolean":
                words = {True: _field(b"\1"), False: _field(b"\0"), None: _NULL}
                framed = {value: f"{lead}{word}{tail}" for value, word in words.items()}
                yield map(framed.__getitem__, values)
            else:
                yield from _texts(values, lead)
                if tail:
                    yield repeat(tail, len(values))
            lead = ""


def _texts(values: list[Any], lead: str) -> tuple[Iterable[str], Iterable[str]]:
    """Return the lengths of texts, each after ``lead``, and the texts."""
    complete = [value or "" for value in values] if None in values else values
    if not "".join(complete).isascii():
        complete = [value.encode().decode("latin-1") for value in complete]
    lengths = list(map(len, complete))
    heads = {length: lead + pack(">i", length).decode("latin-1") for length in set(lengths)}
    if complete is values and len(heads) == 1:
        return repeat(heads[lengths[0]], len(values)), complete
    shown = map(heads.__getitem__, lengths)
    if None not in values:
        return shown, complete
    null = lead + _NULL
    return [null if value is None else head for value, head in zip(values, shown, strict=True)], complete


def _field(value: bytes) -> str:
    """Return a value after its length."""
    return (pack(">i", len(value)) + value).decode("latin-1")


def _constant(column: LoadColumn) -> str:
    if column.constant is None:
        return _NULL
    if column.kind == "timestamp":
        return _field(pack(">q", (column.constant - _EPOCH) // timedelta(microseconds=1)))
    return _field(column.constant.encode())
