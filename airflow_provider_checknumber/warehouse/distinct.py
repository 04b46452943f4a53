"""
One row a number: the last one wins, the others are counted, in memory that does not grow with the file.

A result of ten million rows practically never holds a number twice, so rows are let through at once and a
filter of fixed size remembers which numbers may have passed. A row whose number may have is held back, and
in the end takes the place of what was written for its number, if anything was. The filter errs on one
side only: it can hold back a row for nothing (of ten million about one in four hundred), but never
lets a second one through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airflow_provider_checknumber.warehouse.columns import Batch

#: Words of the filter: 16 MB, of which a small load touches little.
_WORD_BITS = 21
#: Rows held back before what they replace is looked for, which reads what has been written so far: more than
#: the filter holds back for nothing of ten million rows.
_MOST_HELD = 30_000

_Words = NDArray[np.uint64]


class SeenFilter:
    """Which values may have been seen: a Bloom filter that keeps a value's four bits in one 64-bit word."""

    def __init__(self) -> None:
        self._words: _Words = np.zeros(1 << _WORD_BITS, dtype=np.uint64)

    def add(self, values: list[Any]) -> NDArray[np.bool_]:
        """Remember values; return for each whether it, or one before it in the list, may be known already."""
        hashes = np.fromiter(map(hash, values), dtype=np.int64, count=len(values)).view(np.uint64)
        places = hashes >> np.uint64(64 - _WORD_BITS)
        bits = _bits(hashes)
        before = self._words[places]
        known: NDArray[np.bool_] = (before & bits) == bits
        self._words[places] = before | bits
        self._set_lost(places, bits)
        ordered = np.sort(hashes)
        if (ordered[1:] == ordered[:-1]).any():
            known |= _repeated(hashes)
        return known

    def _set_lost(self, places: _Words, bits: _Words) -> None:
        """Set the bits of values that share a word with a later one of the same list, which alone got its."""
        while (lost := (self._words[places] & bits) != bits).any():
            places, bits = places[lost], bits[lost]
            self._words[places] |= bits


def _bits(hashes: _Words) -> _Words:
    """Return a word for each hash, with one bit in each quarter as the hash's last sixteen bits say."""
    bits = np.zeros(len(hashes), dtype=np.uint64)
    for quarter in range(4):
        chosen = (hashes >> np.uint64(4 * quarter)) & np.uint64(15)
        bits |= np.uint64(1) << (chosen + np.uint64(16 * quarter))
    return bits


def _repeated(hashes: _Words) -> NDArray[np.bool_]:
    """Return which hashes stand in the list for the second or a later time."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    repeated = np.zeros(len(hashes), dtype=np.bool_)
    repeated[order[1:]] = ordered[1:] == ordered[:-1]
    return repeated


class Distinct:
    """
    Batches without the rows that may be a second one for their number.

    Iterating ends when the input does or when many rows are held back; then :meth:`release` gives those,
    and iterating again goes on.

    :param batches: all rows, in the order of the archive.
    :param number: place of the number among the columns.
    """

    def __init__(self, batches: Iterable[Batch], number: int) -> None:
        self._batches = iter(batches)
        self._number = number
        self._seen = SeenFilter()
        self._held: dict[Any, tuple[Any, ...]] = {}
        #: Rows taken from the input.
        self.rows_read = 0
        #: Rows given out, by iterating and by ``release``.
        self.rows_given = 0
        #: Whether the input has ended.
        self.exhausted = False

    def __iter__(self) -> Iterator[Batch]:
        """Return batches until the input ends or many rows are held back."""
        while len(self._held) < _MOST_HELD:
            batch = next(self._batches, None)
            if batch is None:
                self.exhausted = True
                return
            rows = len(batch[0])
            self.rows_read += rows
            known = self._seen.add(batch[self._number])
            if known.any():
                batch = self._hold_back(batch, known)
            self.rows_given += len(batch[0])
            if batch[0]:
                yield batch

    def _hold_back(self, batch: Batch, known: NDArray[np.bool_]) -> Batch:
        for place in np.flatnonzero(known):
            row = tuple(column[place] for column in batch)
            self._held[row[self._number]] = row
        passed = (~known).tolist()
        return [[value for value, keep in zip(column, passed, strict=True) if keep] for column in batch]

    def release(self) -> tuple[list[Any], Batch]:
        """Return the held rows, last ones of their numbers, as their numbers and a batch; hold none any more."""
        rows = list(self._held.values())
        numbers = list(self._held)
        self._held = {}
        self.rows_given += len(rows)
        return numbers, [list(column) for column in zip(*rows, strict=True)]
