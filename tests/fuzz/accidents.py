"""
What happens to an input on its way to the next one.

libFuzzer's own changes rarely get past a check sum, so half of the time the change is made within: a member of
a zip or the content of a gzip is changed and packed again.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable

from tests.fuzz.seeds import NUMBERS
from tests.results.archives import zipped

Change = Callable[[bytes], bytes]

_NAMES = ("all.csv", "a.txt", "activated.txt", "x.xlsx", "xl/workbook.xml", "../a.csv", "d/")
_PIECES = (
    *(number.encode() for number in NUMBERS),
    *(
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"',
        b'""',
        b",",
        b";",
        b"\t",
        b" ",
        b"+",
        b"0",
    ),
    *(b"number", b"Number,activated\n", b"yes", b"no", b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PAR1"),
    *(
        b"\x1f\x8b\x08",
        b"\xff" * 4,
        b"\0" * 4,
        b"<row>",
        b"<!DOCTYPE",
        "名前\u2028".encode(),
        b"a@example.com",
    ),
)


def changed(data: bytes, chance: random.Random, change: Change) -> bytes:
    """
    Return an input made of another one.

    :param change: libFuzzer's change of some bytes.
    """
    if chance.random() < 0.6:
        change = _with_pieces(chance)
    if chance.random() < 0.5:
        if data.startswith(b"PK"):
            return _within_zip(data, chance, change)
        if data.startswith(b"\x1f\x8b"):
            return _within_gzip(data, change)
        if chance.random() < 0.1:
            content = change(data)
            return chance.choice((gzip.compress(content, 1), zipped((chance.choice(_NAMES), content))))
    return change(data)


def _with_pieces(chance: random.Random) -> Change:
    def change(data: bytes) -> bytes:
        changing = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(changing) + 1)
            end = min(place + chance.randrange(30), len(changing))
            # In place of something, beside it, or that something over and over.
            piece = chance.choice(_PIECES)
            changing[place:end] = chance.choice(
                (piece, piece + changing[place:end], changing[place:end] * chance.randrange(20))
            )
        return bytes(changing)

    return change


def _within_zip(data: bytes, chance: random.Random, change: Change) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(entry.filename or "x", archive.read(entry)) for entry in archive.infolist()[:50]]
    except Exception:
        return change(data)
    if not members:
        return zipped((chance.choice(_NAMES), change(data)))
    place = chance.randrange(len(members))
    name, content = members[place]
    if chance.random() < 0.1:
        members.insert(place, (chance.choice(_NAMES), content))
    else:
        members[place] = (name, change(content))
    return zipped(*members, method=chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)))


def _within_gzip(data: bytes, change: Change) -> bytes:
    try:
        return gzip.compress(change(gzip.decompress(data)), 1)
    except Exception:
        return change(data)
