"""
The set of all keys of a list: how many differ, which occur more than once, and its fingerprint.

Keys are collected as they come and sorted once at the end. Up to :data:`RUN_LENGTH` of them (16.8
million, 134 MB) stay in memory; beyond that sorted runs go to disk and are merged a slice at a time, so
that memory does not grow with the list. Not for the lines themselves, which are in a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from airflow_provider_checknumber.numbers.keys import Keys

#: Keys that are held in memory at once.
RUN_LENGTH = 1 << 24
#: Keys that are looked at together once they are sorted.
SLICE_LENGTH = 1 << 20


class KeySet:
    """
    Collects keys, then tells about them in order of size.

    :param directory: where sorted runs go when there are more than ``run_length`` keys.
    :param run_length: keys held in memory at once.
    """

    def __init__(self, directory: Path, *, run_length: int = RUN_LENGTH) -> None:
        self._directory = directory
        # Pages that no key has been written to yet take no memory.
        self._keys = np.empty(run_length, dtype=np.int64)
        self._used = 0
        self._runs: list[Path] = []
        self._sorted = False

    def add(self, keys: Keys) -> None:
        """Take the keys of a block of lines."""
        while len(keys):
            if self._used == len(self._keys):
                self._write_run()
            taken = min(len(keys), len(self._keys) - self._used)
            self._keys[self._used : self._used + taken] = keys[:taken]
            self._used += taken
            keys = keys[taken:]

    def slices(self) -> Iterator[Keys]:
        """Yield all keys sorted, in slices; equal keys are always in the same slice."""
        if not self._sorted:
            self._keys[: self._used].sort()
            self._sorted = True
        in_memory = self._keys[: self._used]
        if not self._runs:
            yield from _merged([in_memory], SLICE_LENGTH)
            return
        on_disk: list[Keys] = [np.memmap(path, dtype=np.int64, mode="r") for path in self._runs]
        yield from _merged([*on_disk, in_memory], SLICE_LENGTH)

    def _write_run(self) -> None:
        self._keys[: self._used].sort()
        path = self._directory / f"run-{len(self._runs)}"
        self._keys[: self._used].tofile(path)
        self._runs.append(path)
        self._used = 0


def unique_keys(keys: Keys) -> Keys:
    """Return each key of a sorted slice once."""
    return keys[starts_of_runs(keys)]


def starts_of_runs(keys: Keys) -> NDArray[np.bool_]:
    """Return for each key of a sorted slice whether it is the first of its kind."""
    starts = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=starts[1:])
    return starts


def repeated_keys(keys: Keys) -> Keys:
    """Return each key that a sorted slice holds more than once, once."""
    return unique_keys(keys[1:][keys[1:] == keys[:-1]])


class Fingerprint:
    """A SHA-256 over distinct keys in order of size, so that the order of the lines does not count."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, keys: Keys) -> None:
        """Take the next distinct keys."""
        self._hash.update(np.ascontiguousarray(keys, dtype="<i8").data)

    def hexdigest(self) -> str:
        """Return the fingerprint of the keys taken so far, 64 hexadecimal digits."""
        return self._hash.hexdigest()


def _merged(runs: Sequence[Keys], slice_length: int) -> Iterator[Keys]:
    """Merge sorted runs into sorted slices of about ``slice_length`` keys, equal keys kept together."""
    step = max(slice_length // len(runs), 1)
    starts = [0] * len(runs)
    while True:
        ahead = [
            run[start + step - 1] for run, start in zip(runs, starts, strict=True) if start + step <= len(run)
        ]
        # Every key up to the pivot comes now: at most a step of each run, and what equals the pivot.
        ends = (
            [int(run.searchsorted(min(ahead), side="right")) for run in runs]
            if ahead
            else [len(run) for run in runs]
        )
        parts = [run[start:end] for run, start, end in zip(runs, starts, ends, strict=True) if end > start]
        if not parts:
            return
        starts = ends
        if len(parts) == 1:
            yield parts[0]
        else:
            merged = np.concatenate(parts)
            merged.sort()
            yield merged
