"""What every pass over a file of checked lines needs. Not for sources, whose lines are unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from airflow_provider_checknumber.text import utf8_blocks


def file_blocks(path: Path) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines."""
    with path.open("rb") as stream:
        yield from utf8_blocks(stream)


def line_lengths(block: bytes) -> NDArray[np.intp]:
    """Return how many bytes each line of a block has, its line end included."""
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")) + 1
    return np.diff(ends, prepend=0)
