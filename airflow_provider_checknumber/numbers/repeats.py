"""
Repeated numbers left out of a file of checked lines, and what is left counted and fingerprinted.

The first of equal lines stays, in its place. The file is rewritten only where something is repeated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from airflow_provider_checknumber.numbers.batches import NumberBatch
from airflow_provider_checknumber.numbers.distinct import (
    Fingerprint,
    KeySet,
    repeated_keys,
    starts_of_runs,
    unique_keys,
)
from airflow_provider_checknumber.numbers.keys import Keys
from airflow_provider_checknumber.numbers.passes import keyed_blocks, line_lengths

# Keys that one pass over the file looks for: bounds memory where everything is repeated.
_KEYS_PER_PASS = 1 << 22
# Low bits of a key, enough of them to tell most lines that are not looked for at a glance.
_LOW_BITS = (1 << 24) - 1


def drop_repeats(checked: Path, keys: KeySet, directory: Path, *, only_e164: bool) -> NumberBatch:
    """
    Return a file of distinct lines, which is the given one where no line is repeated.

    :param checked: the file; it is gone afterwards where it had to be rewritten.
    :param keys: the keys of its lines.
    :param directory: where other files are made.
    :param only_e164: whether all lines are known to be E.164.
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
            path = _rewritten(path, np.concatenate(waiting), directory / f"distinct-{passes}", only_e164)
            waiting.clear()
            passes += 1
    if waiting:
        path = _rewritten(path, np.concatenate(waiting), directory / f"distinct-{passes}", only_e164)
    return NumberBatch(path=path, count=count, size=path.stat().st_size, fingerprint=fingerprint.hexdigest())


def _rewritten(source: Path, repeated: Keys, target: Path, only_e164: bool) -> Path:
    """Copy a file but for lines whose key is one of ``repeated`` and was there before; delete the source."""
    seen = np.zeros(len(repeated), dtype=np.bool_)
    low_bits = np.zeros(_LOW_BITS + 1, dtype=np.bool_)
    low_bits[repeated & _LOW_BITS] = True
    with target.open("wb") as out:
        for block, keys in keyed_blocks(source, only_e164=only_e164):
            suspects = np.flatnonzero(low_bits[keys & _LOW_BITS])
            if not len(suspects):
                out.write(block)
                continue
            order = keys[suspects].argsort(kind="stable")
            suspects = suspects[order]
            is_first = starts_of_runs(keys[suspects])
            firsts = suspects[is_first]
            places = np.minimum(repeated.searchsorted(keys[firsts]), len(repeated) - 1)
            found = repeated[places] == keys[firsts]
            keep = np.ones(len(keys), dtype=np.bool_)
            keep[suspects[~is_first]] = False
            keep[firsts[found & seen[places]]] = False
            seen[places[found]] = True
            bytes_kept = keep.repeat(line_lengths(block))
            out.write(np.frombuffer(block, dtype=np.uint8)[bytes_kept].tobytes())
    source.unlink()
    return target
