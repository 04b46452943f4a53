"""Result files as the service delivers them, written to disk; and the same files damaged.

The real zip holds a folder named after the task with the full table as ``all.csv``, and side lists with one
number a line: ``activated.txt`` and ``unregistered.txt``. Numbers without an answer are in the table only.
"""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from itertools import chain
from pathlib import Path

from airflow_provider_checknumber.sandbox.answers import NO, YES, Answers
from airflow_provider_checknumber.sandbox.batches import read_numbers

_TABLE = "all.csv"
_SIDE_LISTS = {YES: "activated.txt", NO: "unregistered.txt"}
_BOM = b"\xef\xbb\xbf"
#: Fast rather than small: the archive is read once, on the machine that writes it.
_COMPRESSION_LEVEL = 1


@lru_cache(maxsize=64)
def answers_for(task_type: str, *, undetermined: float, shape: frozenset[str]) -> Answers:
    """Return the answers for a task type, laid out in a result shape of the settings."""
    return Answers(
        task_type=task_type,
        undetermined=undetermined,
        delimiter=";" if "semicolon" in shape else ",",
        newline="\r\n" if "crlf" in shape else "\n",
        names="names" in shape,
    )


def write_results(
    numbers: Path,
    target: Path,
    *,
    task_id: str,
    answers: Answers,
    shape: frozenset[str],
    check: Callable[[], None],
) -> None:
    """Write the result file of a task to ``target``.

    :param numbers: The task's numbers, one a line.
    :param shape: See :attr:`SandboxSettings.result_shape`.
    :param check: Called now and then; what it raises ends the work.
    """
    members = {name: target.with_suffix(f".{name}") for name in (_TABLE, *_SIDE_LISTS.values())}
    with ExitStack() as leftovers:
        for path in members.values():
            leftovers.callback(path.unlink, missing_ok=True)
        _write_members(numbers, members, answers=answers, shape=shape, check=check)
        if "csv" in shape:
            members[_TABLE].rename(target)
            return
        folder = "" if "flat" in shape else f"{task_id}/"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive:
            for name, path in members.items():
                check()
                archive.write(path, f"{folder}{name}")


def _write_members(
    numbers: Path,
    members: dict[str, Path],
    *,
    answers: Answers,
    shape: frozenset[str],
    check: Callable[[], None],
) -> None:
    with ExitStack() as files:
        sinks = {name: files.enter_context(path.open("wb")) for name, path in members.items()}
        sinks[_TABLE].write((_BOM if "bom" in shape else b"") + answers.header)
        for batch in read_numbers(numbers):
            check()
            shown = [number.lstrip(b"+") for number in batch] if "no-plus" in shape else batch
            lines = zip(shown, answers.line_ends(batch), strict=True)
            sinks[_TABLE].write(b"".join(chain.from_iterable(lines)))
            answered = answers.of(batch)
            for answer, name in _SIDE_LISTS.items():
                sinks[name].writelines(
                    number + b"\n" for number, given in zip(shown, answered, strict=True) if given == answer
                )


def damage(source: Path, *, kind: str) -> Path:
    """Return a copy of a result file, beside it, that is ``truncated``, ``corrupt`` or ``not_a_zip``."""
    damaged = source.with_suffix(f".{kind}{source.suffix}")
    if damaged.exists():
        return damaged
    # Complete before it has its name: another download may be looking for it.
    copy = source.with_suffix(f".{secrets.token_hex(4)}")
    if kind == "not_a_zip":
        copy.write_bytes(b"<html><body>The result could not be exported.</body></html>\n")
    else:
        shutil.copyfile(source, copy)
    if kind == "truncated":
        os.truncate(copy, source.stat().st_size // 2)
    elif kind == "corrupt":
        _flip_byte(copy, _middle_of_table(source))
    return copy.replace(damaged)


def _middle_of_table(path: Path) -> int:
    """Return where the largest member's data has its middle: damage there breaks its checksum."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size // 2
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    with path.open("rb") as file:
        # The lengths of name and extra field stand at the end of the 30 bytes before them.
        file.seek(largest.header_offset + 26)
        names = file.read(4)
    start = (
        largest.header_offset + 30 + int.from_bytes(names[:2], "little") + int.from_bytes(names[2:], "little")
    )
    return start + largest.compress_size // 2


def _flip_byte(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 0xFF]))
