"""
Numbers that are known from elsewhere, left out of a list that is ready to be sent.

The list's keys are sorted in a file, eight bytes a number; the known numbers pass by once, in any order
and however many, and mark those that they meet. Not for where they are known from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airflow_provider_checknumber.numbers.batches import NumberBatch
from airflow_provider_checknumber.numbers.blocks import encode_values
from airflow_provider_checknumber.numbers.distinct import Fingerprint
from airflow_provider_checknumber.numbers.keys import Keys, keys_of
from airflow_provider_checknumber.numbers.passes import keyed_blocks, line_lengths


def leave_out(
    numbers: NumberBatch, known: Iterable[Sequence[Any]], directory: Path, *, only_e164: bool = False
) -> NumberBatch:
    """
    Return a list without the numbers that are known, which may leave none; the given one where none is.

    :param numbers: the list, whose numbers are all different.
    :param known: numbers, or rows that begin with one, some at a time; as they are sent, not normalised.
    :param directory: where files are made.
    :param only_e164: whether all numbers of the list are known to be E.164, which saves looking.
    """
    keys = _sorted_keys(numbers, directory / "keys", only_e164=only_e164)
    is_known = np.zeros(len(keys), dtype=np.bool_)
    for some in known:
        if len(some):
            _mark(is_known, keys, keys_of(encode_values(some), only_e164=False))
    if not is_known.any():
        return numbers
    path = directory / "unknown"
    with path.open("wb") as out:
        for block, block_keys in keyed_blocks(numbers.path, only_e164=only_e164):
            bytes_kept = (~is_known[keys.searchsorted(block_keys)]).repeat(line_lengths(block))
            out.write(np.frombuffer(block, dtype=np.uint8)[bytes_kept].tobytes())
    left = keys[~is_known]
    fingerprint = Fingerprint()
    fingerprint.update(left)
    return NumberBatch(
        path=path, count=len(left), size=path.stat().st_size, fingerprint=fingerprint.hexdigest()
    )


def _sorted_keys(numbers: NumberBatch, path: Path, *, only_e164: bool) -> Keys:
    keys: Keys = np.memmap(path, dtype=np.int64, mode="w+", shape=(numbers.count,))
    filled = 0
    for _, block_keys in keyed_blocks(numbers.path, only_e164=only_e164):
        keys[filled : filled + len(block_keys)] = block_keys
        filled += len(block_keys)
    keys.sort()
    return keys


def _mark(is_known: NDArray[np.bool_], keys: Keys, known: Keys) -> None:
    known.sort()  # Neighbours are looked for in the same place.
    places = np.minimum(keys.searchsorted(known), len(keys) - 1)
    is_known[places[keys[places] == known]] = True
