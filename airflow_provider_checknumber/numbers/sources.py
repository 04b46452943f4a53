"""
Where numbers come from, made into one thing: blocks of UTF-8 lines, one value a line.

A path, an opener (anything with ``open("rb")``, which Airflow's ``ObjectStoragePath`` has), a binary
stream, or an iterable of values. Not for judging the values: see :mod:`.lines`.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, TypeAlias, cast, runtime_checkable

from airflow_provider_checknumber.numbers.blocks import Block, encode_values
from airflow_provider_checknumber.numbers.errors import (
    NumberEncodingError,
    NumberFileNotFoundError,
    NumberListError,
    system_reason,
)
from airflow_provider_checknumber.numbers.headings import is_heading
from airflow_provider_checknumber.numbers.tables import csv_blocks, parquet_blocks
from airflow_provider_checknumber.text import (
    ByteStream,
    LineTooLongError,
    PrefixedStream,
    UndecodableTextError,
    read_head,
    utf8_blocks,
)

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_ZIP_MAGIC = b"PK\x03\x04"
_VALUES_PER_BLOCK = 16_384

_FIRST_TEXT = re.compile(rb"\S[^\n]*")


@runtime_checkable
class Opener(Protocol):
    """A place that opens itself, such as ``pathlib.Path`` or ``ObjectStoragePath``."""

    def open(self, mode: str, /) -> Any:
        """Open for reading (``"rb"``) or writing (``"wb"``)."""
        ...


NumberSource: TypeAlias = "str | Opener | BinaryIO | IO[bytes] | Iterable[Any]"


def describe(source: NumberSource) -> str:
    """Return what a message calls the source; values handed over are never shown."""
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, Opener):
        return str(source)
    return "the number list"


@contextmanager
def open_blocks(
    source: NumberSource, *, column: str | None, encoding: str | None
) -> Iterator[Iterator[Block]]:
    """
    Open a source and give its blocks.

    :param source: see the module.
    :param column: the column that holds the numbers, for CSV and Parquet.
    :param encoding: the text's encoding, default: what a byte order mark declares, else UTF-8.
    :raises NumberListError: when it cannot be opened or read.
    """
    name = describe(source)
    opener = Path(source) if isinstance(source, str) else source
    if isinstance(opener, Opener):
        try:
            stream = opener.open("rb")
        except OSError as error:
            raise _cannot_open(name, error) from None
        with stream:
            yield _guarded(_stream_blocks(stream, name, column, encoding), name)
    elif hasattr(opener, "read"):
        yield _guarded(_stream_blocks(opener, name, column, encoding), name)
    elif isinstance(opener, Iterable) and not isinstance(opener, bytes | bytearray):
        yield _value_blocks(opener)
    else:
        raise TypeError("a number list is a path, a binary stream or an iterable of values")


def _cannot_open(name: str, error: OSError) -> NumberListError:
    if isinstance(error, FileNotFoundError):
        return NumberFileNotFoundError(f"There is no number file {name}; nothing was sent.")
    return NumberListError(
        f"The number file {name} cannot be opened ({system_reason(error)}); nothing was sent."
    )


def _guarded(blocks: Iterator[Block], name: str) -> Iterator[Block]:
    """Pass blocks on; what goes wrong in reading them becomes one of the provider's own errors."""
    line = 1
    try:
        for block in blocks:
            yield block
            line = block.lines[-1] + 1 if block.lines else line
    except LineTooLongError:
        raise NumberListError(
            f"A line of {name} at or after line {line} is longer than any number; is this a list of numbers?"
        ) from None
    except UndecodableTextError:
        raise NumberEncodingError(
            f"{name} is not text of the expected encoding at or after line {line}; "
            "save it as UTF-8 or name its encoding."
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise NumberListError(f"The gzip file {name} is damaged or cut off; nothing was sent.") from None
    except OSError as error:
        raise NumberListError(f"Reading {name} failed ({system_reason(error)}); nothing was sent.") from None


def _stream_blocks(stream: Any, name: str, column: str | None, encoding: str | None) -> Iterator[Block]:
    head = read_head(stream, 4)
    source: ByteStream = PrefixedStream(head, stream)
    if head == _PARQUET_MAGIC:
        yield from parquet_blocks(source, stream, name, column)
        return
    if head == _ZIP_MAGIC:
        raise NumberListError(
            f"{name} is a zip or a spreadsheet, which are not read; save the numbers as text, CSV or Parquet."
        )
    if head.startswith(_GZIP_MAGIC):
        source = gzip.GzipFile(fileobj=cast(Any, source))  # it needs nothing but read
    text = utf8_blocks(source, encoding=encoding, any_line_end=True)
    if column is None:
        yield from _text_blocks(text)
    else:
        yield from csv_blocks(text, name, column)


def _text_blocks(text: Iterator[bytes]) -> Iterator[Block]:
    line = 1
    begun = False
    for data in text:
        if not begun and (first := _FIRST_TEXT.search(data)):
            begun = True
            if is_heading(first.group().decode(errors="replace")):
                # Emptied, not removed, so that the lines after it keep their numbers.
                data = data[: first.start()] + data[first.end() :]
        count = data.count(b"\n")
        yield Block(data, range(line, line + count))
        line += count


def _value_blocks(values: Iterable[Any]) -> Iterator[Block]:
    iterator = iter(values)
    line = 1
    while batch := list(islice(iterator, _VALUES_PER_BLOCK)):
        yield Block(encode_values(batch), range(line, line + len(batch)))
        line += len(batch)
