"""
Repeated numbers left out of a file of checked lines, and what is left counted and fingerprinted.

The first of equal lines stays, in its place. The file is rewritten only where something is repeated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from airflow_provider_checknumber.numbers.batches import NumberBatch
from airflow_provider_checknumber.numbers.distinct import Fingerprint, KeySet, repeated_keys, unique_keys
from airflow_provider_checknumber.numbers.keys import Keys, keys_of
from airflow_provider_checknumber.numbers.passes import file_blocks, line_lengths

# Keys that one pass over the file looks for: bounds memory where everything is repeated.
_KEYS_PER_PASS = 1 << 22


def drop_repeats(checked: Path, keys: KeySet, directory: Path) -> NumberBatch:
    """
    Return a file of distinct lines, which is the given one where no line is repeated.

    :param checked: the file; it is gone afterwards where it had to be rewritten.
    :param keys: the keys of its lines.
    :param directory: where other files are made.
    """
    fingerprint = Fingerprint()
    count = 0
    waiting: list[Keys] = []
    passes = 0
    path = checked
    for part in keys.slices():
        distinct = unique_keys(part)
        count += len(distinct)
        fingerprint.update(distinct)
        if len(distinct) < len(part):
            waiting.append(repeated_keys(part))
        if sum(map(len, waiting)) >= _KEYS_PER_PASS:
            path = _rewritten(path, np.concatenate(waiting), directory / f"distinct-{passes}")
            waiting.clear()
            passes += 1
    if waiting:
        path = _rewritten(path, np.concatenate(waiting), directory / f"distinct-{passes}")
    return NumberBatch(path=path, count=count, size=path.stat().st_size, fingerprint=fingerprint.hexdigest())


def _rewritten(source: Path, repeated: Keys, target: Path) -> Path:
    """Copy a file but for lines whose key is one of ``repeated`` and was there before; delete the source."""
    seen = np.zeros(len(repeated), dtype=np.bool_)
    with target.open("wb") as out:
        for block in file_blocks(source):
            block_keys = keys_of(block)
            places = np.minimum(repeated.searchsorted(block_keys), len(repeated) - 1)
            suspects = np.flatnonzero(repeated[places] == block_keys)
            if not len(suspects):
                out.write(block)
                continue
            distinct, firsts = np.unique(places[suspects], return_index=True)
            keep = np.ones(len(block_keys), dtype=np.bool_)
            keep[suspects] = False
            keep[suspects[firsts[~seen[distinct]]]] = True
            seen[distinct] = True
            bytes_kept = keep.repeat(line_lengths(block))
            out.write(np.frombuffer(block, dtype=np.uint8)[bytes_kept].tobytes())
    source.unlink()
    return target
