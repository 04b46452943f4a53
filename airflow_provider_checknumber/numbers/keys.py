"""
What tells one line of a number list from another: a 64-bit key, computed for whole blocks of lines.

The key of an E.164 number is the number, which has at most 15 digits and no leading zero, so no two
share one. Anything else, such as an e-mail address, gets 63 bits of a hash above all of those: among ten
million addresses the odds that any two share a key are about one in a hundred thousand.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]

# As many whole lines as there are. Possessive, so that it never backtracks.
_E164_LINES = re.compile(rb"(?:\+[1-9][0-9]{1,14}\n)*+")
_E164 = re.compile(rb"\+[1-9][0-9]{1,14}")

_FIRST_HASH = 10**15
_HASHES = 2**63 - _FIRST_HASH


def keys_of(block: bytes, *, only_e164: bool) -> Keys:
    r"""
    Return one key for each line of a block.

    :param block: lines that were checked, each ending with ``\n``.
    :param only_e164: whether all of them are known to be E.164, which saves looking.
    """
    if not only_e164 and end_of_e164(block) != len(block):
        block = b"".join(_decimal_lines(block))
    return np.fromstring(block, dtype=np.int64, sep="\n")


def end_of_e164(block: bytes, position: int = 0) -> int:
    """Return where the first line is that is no E.164, looking from the beginning of a line on."""
    match = _E164_LINES.match(block, position)
    return match.end() if match else position


def _decimal_lines(block: bytes) -> list[bytes]:
    return [
        line if _E164.fullmatch(line, 0, len(line) - 1) else b"%d\n" % _hash(line)
        for line in block.splitlines(keepends=True)
    ]


def _hash(line: bytes) -> int:
    return _FIRST_HASH + int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "big") % _HASHES
