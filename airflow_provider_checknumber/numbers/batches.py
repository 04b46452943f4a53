"""
A number list in one file, and the same list dealt out to several.

A batch takes the numbers between two others by size, and keeps them in the list's order: so a query
without ORDER BY that answers in another order on a retry still makes the same batches, with the same
fingerprints, and none of them is billed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from airflow_provider_checknumber.numbers.distinct import Fingerprint, KeySet, unique_keys
from airflow_provider_checknumber.numbers.keys import Keys
from airflow_provider_checknumber.numbers.passes import keyed_blocks, line_lengths


@dataclass(frozen=True)
class NumberBatch:
    r"""
    Numbers that are sent as one task.

    :param path: a temporary file, one number a line, each ending with ``\n``.
    :param count: how many numbers it holds.
    :param size: bytes of the file.
    :param fingerprint: SHA-256 of the numbers regardless of their order, 64 hexadecimal digits.
    """

    path: Path
    count: int
    size: int
    fingerprint: str


def plan_batches(count: int, batch_size: int | None, min_batch_size: int) -> list[int]:
    """
    Return how many numbers go into each batch.

    >>> plan_batches(2_300, 1_000, 500)
    [1000, 1300]
    """
    if batch_size is None:
        return [count]
    full, rest = divmod(count, batch_size)
    sizes = [batch_size] * full
    if sizes and rest < min_batch_size:
        sizes[-1] += rest
    elif rest:
        sizes.append(rest)
    return sizes


def write_batches(
    numbers: NumberBatch, sizes: Sequence[int], keys: KeySet, directory: Path, *, only_e164: bool
) -> tuple[NumberBatch, ...]:
    """
    Deal a file of distinct numbers out to one file a batch.

    :param sizes: how many numbers each batch takes; at least two batches.
    :param keys: the keys of the list.
    :param directory: where the files are made.
    :param only_e164: whether all lines are known to be E.164.
    """
    first_keys, fingerprints = _cut(keys, sizes)
    paths = [directory / f"batch-{number:05d}" for number in range(len(sizes))]
    _deal_out(numbers.path, paths, first_keys, only_e164=only_e164)
    return tuple(
        NumberBatch(path=path, count=size, size=path.stat().st_size, fingerprint=fingerprint)
        for path, size, fingerprint in zip(paths, sizes, fingerprints, strict=True)
    )


def _cut(keys: KeySet, sizes: Sequence[int]) -> tuple[Keys, list[str]]:
    """Return the smallest key of each batch but the first, and the fingerprint of each batch."""
    ends = list(accumulate(sizes))
    firsts: list[int] = []
    fingerprints: list[str] = []
    fingerprint = Fingerprint()
    passed = 0
    for part in keys.slices():
        distinct = unique_keys(part)
        while len(distinct):
            taken = distinct[: ends[len(fingerprints)] - passed]
            if passed and passed == ends[len(firsts)]:
                firsts.append(int(taken[0]))
            fingerprint.update(taken)
            passed += len(taken)
            distinct = distinct[len(taken) :]
            if passed == ends[len(fingerprints)]:
                fingerprints.append(fingerprint.hexdigest())
                fingerprint = Fingerprint()
    return np.array(firsts, dtype=np.int64), fingerprints


def _deal_out(source: Path, targets: Sequence[Path], first_keys: Keys, *, only_e164: bool) -> None:
    for block, block_keys in keyed_blocks(source, only_e164=only_e164):
        batch_of_line = first_keys.searchsorted(block_keys, side="right")
        for number, lines in _grouped(block, batch_of_line):
            # Opened for each write: there may be more batches than files may be open.
            with targets[number].open("ab") as out:
                out.write(lines)


def _grouped(block: bytes, group_of_line: NDArray[np.intp]) -> Iterator[tuple[int, bytes]]:
    """Yield each group that occurs with its lines, in their order."""
    lengths = line_lengths(block)
    order = group_of_line.argsort(kind="stable")
    sorted_lengths = lengths[order]
    sorted_ends = sorted_lengths.cumsum()
    # How far each byte of the rearranged block was moved.
    shift = (lengths.cumsum()[order] - sorted_ends).repeat(sorted_lengths)
    rearranged = np.frombuffer(block, dtype=np.uint8)[shift + np.arange(len(block))]
    groups, counts = np.unique(group_of_line, return_counts=True)
    stops = sorted_ends[counts.cumsum() - 1]
    start = 0
    for group, stop in zip(groups.tolist(), stops.tolist(), strict=True):
        yield group, rearranged[start:stop].tobytes()
        start = stop
