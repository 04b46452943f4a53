"""
Bytes of any Unicode encoding in, blocks of whole lines of UTF-8 out, in constant memory.

Number lists and result tables both begin here. Not for taking lines apart, nor for deciding what an
undecodable line means: whether UTF-8 input really is UTF-8 is left to the reader, who knows which line
it is looking at.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Protocol

#: Bytes asked of a stream at a time, and so about the size of a block: what is made of one, five times as
#: much and more, still fits into a processor's cache.
BLOCK_SIZE = 1 << 16
#: Bytes that one line may have. A longer one is no table and no list, and would have to be held whole.
MAX_LINE = 1 << 20

# UTF-32 stands before UTF-16, whose little-endian mark is the beginning of its own.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class UndecodableTextError(ValueError):
    """The bytes are not of the encoding that was declared for them."""


class LineTooLongError(ValueError):
    """A line has more than :data:`MAX_LINE` bytes."""


class ByteStream(Protocol):
    """What is needed of a binary stream: nothing but ``read``."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, and none at the end."""
        ...


class PrefixedStream:
    """
    A stream whose first bytes were read already, to see what they are, and are given back.

    :param head: the bytes already read.
    :param rest: the stream they were read from.
    """

    def __init__(self, head: bytes, rest: ByteStream) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes: of the head while there is one, then of the stream."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)


def read_head(stream: ByteStream, size: int) -> bytes:
    """Return the first ``size`` bytes of a stream, fewer only where it has no more."""
    head = b""
    while len(head) < size and (data := stream.read(size - len(head))):
        head += data
    return head


def declared_encoding(head: bytes) -> tuple[str | None, int]:
    """Return the encoding that a byte order mark declares, and the mark's length in bytes."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    return None, 0


def utf8_blocks(
    stream: ByteStream, *, encoding: str | None = None, any_line_end: bool = False
) -> Iterator[bytes]:
    r"""
    Yield the text of a stream as UTF-8 without its byte order mark, in blocks that end with a line.

    A line ends with ``\n``; the last one gets it where it has none. UTF-8 is passed on as it is, unchecked.

    :param stream: where the bytes come from.
    :param encoding: the text's encoding, default: what a byte order mark declares, else UTF-8. A byte
        order mark wins.
    :param any_line_end: whether ``\r\n`` and ``\r`` end a line too, and are made ``\n``.
    :raises UndecodableTextError: where the bytes are not of that encoding (never for UTF-8).
    :raises LineTooLongError: when a line has more than :data:`MAX_LINE` bytes.
    """
    head = read_head(stream, 4)
    declared, mark_length = declared_encoding(head)
    source: ByteStream = PrefixedStream(head[mark_length:], stream)
    chosen = declared or encoding or "utf-8"
    chunks = _chunks(source) if codecs.lookup(chosen).name == "utf-8" else _transcoded(source, chosen)
    if any_line_end:
        chunks = _with_newlines(chunks)
    pending = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield pending + chunk[:end]
            pending = chunk[end:]
        else:
            pending += chunk
        if len(pending) > MAX_LINE:
            raise LineTooLongError
    if pending:
        yield pending + b"\n"


def _chunks(stream: ByteStream) -> Iterator[bytes]:
    while chunk := stream.read(BLOCK_SIZE):
        yield chunk


def _with_newlines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        chunk = held + chunk
        # Whether this is half of a line end shows in the next chunk.
        held = b"\r" if chunk.endswith(b"\r") else b""
        chunk = chunk.removesuffix(held)
        yield chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
    if held:
        yield b"\n"


def _transcoded(stream: ByteStream, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(stream):
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise UndecodableTextError from None
