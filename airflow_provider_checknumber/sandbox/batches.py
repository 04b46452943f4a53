"""Uploaded number lists: which of their lines count. Disk instead of memory, whatever the length.

The service counts and bills distinct, valid numbers. This is where the sandbox finds them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zlib import crc32

from airflow_provider_checknumber.sandbox.answers import Answers

_NUMBER = re.compile(rb"^[ \t]*(\+[1-9][0-9]{1,14})[ \t\r]*$", re.MULTILINE)
#: Text that holds such numbers and nothing else; ten times faster to tell than line by line.
_TIDY = re.compile(rb"(?:\+[1-9][0-9]{1,14}+\n)*+")
_EMAIL = re.compile(rb"^[ \t]*([^@\s]{1,64}@[^@\s]{1,255})[ \t\r]*$", re.MULTILINE)

_CHUNK_BYTES = 1024 * 1024
_LONGEST_LINE_BYTES = 64 * 1024
#: Lists larger than this are split by hash, so that the distinct lines of one part fit into memory.
_PART_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a list came to: counts of lines. ``failures`` are the numbers that will get no answer."""

    numbers: int
    duplicates: int
    invalid: int
    failures: int


def distill(
    upload: Path, numbers: Path, *, answers: Answers, emails: bool, check: Callable[[], None]
) -> Batch:
    """Write the distinct valid lines of ``upload`` to ``numbers``, one a line, and count the others.

    A BOM, CRLF, blanks around a number and empty lines are taken as they come. Lists up to 8 MB keep their
    order; longer ones come out in parts.

    :param answers: Says which numbers will get an answer.
    :param emails: The list holds e-mail addresses instead of numbers.
    :param check: Called now and then; what it raises ends the work.
    """
    valid = invalid = distinct = failures = 0
    parts = [
        numbers.with_suffix(f".part{index}") for index in range(1 + upload.stat().st_size // _PART_BYTES)
    ]
    with ExitStack() as stack:
        for part in parts:
            stack.callback(part.unlink, missing_ok=True)
        with ExitStack() as open_parts, upload.open("rb") as source:
            sinks = [open_parts.enter_context(part.open("wb")) for part in parts]
            for text in _chunks(source):
                check()
                lines, others = _sort_out(text, emails=emails)
                valid += len(lines)
                invalid += others
                _scatter(lines, sinks)
        with numbers.open("wb") as sink:
            for part in parts:
                check()
                lines = list(dict.fromkeys(part.read_bytes().splitlines()))
                distinct += len(lines)
                failures += answers.undetermined_among(lines)
                _write(lines, sink)
    return Batch(numbers=distinct, duplicates=valid - distinct, invalid=invalid, failures=failures)


def read_numbers(path: Path) -> Iterator[list[bytes]]:
    """Yield the lines of a file that :func:`distill` has written, some ten thousand at a time."""
    with path.open("rb") as source:
        while lines := source.readlines(_CHUNK_BYTES):
            yield [line[:-1] for line in lines]


def _sort_out(text: bytes, *, emails: bool) -> tuple[list[bytes], int]:
    """Return the valid lines of a text, without the blanks around them, and how many others it has."""
    if not emails and _TIDY.fullmatch(text):
        return text.splitlines(), 0
    lines = (_EMAIL if emails else _NUMBER).findall(text)
    return lines, sum(map(bool, map(bytes.strip, text.split(b"\n")))) - len(lines)


def _scatter(lines: list[bytes], sinks: Sequence[IO[bytes]]) -> None:
    if len(sinks) == 1:
        _write(lines, sinks[0])
        return
    groups: list[list[bytes]] = [[] for _ in sinks]
    for line in lines:
        groups[crc32(line) % len(sinks)].append(line)
    for group, sink in zip(groups, sinks, strict=True):
        _write(group, sink)


def _write(lines: list[bytes], sink: IO[bytes]) -> None:
    if lines:
        sink.write(b"\n".join(lines) + b"\n")


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    """Yield the text in pieces that end where a line ends."""
    if source.read(3) != b"\xef\xbb\xbf":
        source.seek(0, os.SEEK_SET)
    while text := source.read(_CHUNK_BYTES):
        text += source.readline(_LONGEST_LINE_BYTES)
        # A line longer than any number is no number; its end is not worth the memory.
        while not text.endswith(b"\n") and (rest := source.readline(_LONGEST_LINE_BYTES)):
            text = text if not rest.endswith(b"\n") else text + b"\n"
        yield text
