"""What every pass over a file of checked lines needs. Not for sources, whose lines are unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from airflow_provider_checknumber.numbers.keys import Keys, keys_of
from airflow_provider_checknumber.text import utf8_blocks


def keyed_blocks(path: Path, *, only_e164: bool) -> Iterator[tuple[bytes, Keys]]:
    """
    Yield a file in blocks of whole lines, each with the keys of its lines.

    :param only_e164: whether all lines are known to be E.164.
    """
    with path.open("rb") as stream:
        for block in utf8_blocks(stream):
            yield block, keys_of(block, only_e164=only_e164)


def line_lengths(block: bytes) -> NDArray[np.intp]:
    """Return how many bytes each line of a block has, its line end included."""
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")) + 1
    return np.diff(ends, prepend=0)
