"""The one form that every source of numbers is brought into: blocks of UTF-8 lines, one value a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Block(NamedTuple):
    r"""
    Some lines of a source.

    :param data: UTF-8, every line ending with ``\n`` and holding no other ``\n`` or ``\r``.
    :param lines: the number that each of them has in the source.
    """

    data: bytes
    lines: Sequence[int]


def encode_values(values: Sequence[Any]) -> bytes:
    """Return values as the bytes of a block, one a line; a null becomes an empty line."""
    try:
        joined = "\n".join(values)
    except TypeError:
        joined = "\n".join(map(_as_text, values))
    # A value with a line break in it is still one value.
    if joined.count("\n") != len(values) - 1 or "\r" in joined:
        joined = "\n".join(_as_text(value).replace("\r", " ").replace("\n", " ") for value in values)
    # A lone surrogate has no UTF-8; it goes on as bytes that are none, for the line to be refused.
    return joined.encode("utf-8", "surrogatepass") + b"\n"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        # A row of a query: its first column is the number.
        return _as_text(value[0]) if value else ""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
