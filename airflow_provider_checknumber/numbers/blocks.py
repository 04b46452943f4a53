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
    joined = _joined(values)
    # A value with a line break in it is still one value.
    if joined.count("\n") != len(values) - 1 or "\r" in joined:
        joined = "\n".join(_as_text(value).replace("\r", " ").replace("\n", " ") for value in values)
    # A lone surrogate has no UTF-8; it goes on as bytes that are none, for the line to be refused.
    return joined.encode("utf-8", "surrogatepass") + b"\n"


def _joined(values: Sequence[Any]) -> str:
    """Join values to lines, the usual ones (texts, rows of one text) without a look at each of them."""
    if values and all(kind is not str for kind in set(map(type, values))):
        values = [value[0] if isinstance(value, tuple) and value else value for value in values]
    try:
        return "\n".join(values)
    except TypeError:
        return "\n".join(map(_as_text, values))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        # Some drivers give text columns as bytes; what is no UTF-8 becomes a text that is no number.
        return value.decode(errors="replace")
    if isinstance(value, Sequence):
        # A row of a query: its first column is the number.
        return _as_text(value[0]) if value else ""
    if _is_null(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _is_null(value: Any) -> bool:
    """Return whether a value is None, NaN, or pandas' NA, which refuses to be compared."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        return True
