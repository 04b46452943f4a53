"""
A number list made ready to send: read, checked, freed of repeated numbers, split where asked.

Everything is done on temporary files in constant memory, before anything is sent. Not for sending.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from airflow_provider_checknumber.numbers.batches import NumberBatch, plan_batches, write_batches
from airflow_provider_checknumber.numbers.blocks import Block
from airflow_provider_checknumber.numbers.distinct import KeySet
from airflow_provider_checknumber.numbers.errors import EmptyNumberListError, InvalidNumbersError
from airflow_provider_checknumber.numbers.keys import keys_of
from airflow_provider_checknumber.numbers.lines import LineChecker, OnInvalid
from airflow_provider_checknumber.numbers.normalise import Normaliser
from airflow_provider_checknumber.numbers.rejects import open_rejects
from airflow_provider_checknumber.numbers.repeats import drop_repeats
from airflow_provider_checknumber.numbers.sources import NumberSource, Opener, describe, open_blocks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedNumbers(NumberBatch):
    """
    A number list that is ready to be sent, in one piece and in batches.

    :param lines_read: lines that held something, a heading not counted: the sum of ``count``,
        ``duplicates`` and ``invalid``.
    :param duplicates: lines left out because their number was there before.
    :param invalid: lines left out because they are no numbers (``on_invalid="skip"``).
    :param batches: the list in pieces, only one where it was not to be split.
    """

    lines_read: int
    duplicates: int
    invalid: int
    batches: tuple[NumberBatch, ...]


@contextmanager
def prepare_numbers(
    source: NumberSource,
    *,
    column: str | None = None,
    encoding: str | None = None,
    default_region: str | None = None,
    on_invalid: OnInvalid = "fail",
    rejects: str | Opener | None = None,
    batch_size: int | None = None,
    min_batch_size: int = 1,
) -> Iterator[PreparedNumbers]:
    """
    Read a number list, check it, and give files that can be sent; they are deleted at the end.

    E.164 is a ``+``, a digit from 1 to 9, and 1 to 14 more. Repeated numbers are left out, the first one
    stays in its place. A byte order mark, any line ends, empty lines, spaces around a number and one
    heading are taken as they come. Gzip and Parquet are known by their first bytes.

    :param source: a path; anything with ``open("rb")``, such as ``ObjectStoragePath``; a binary stream;
        or an iterable of values or of query rows, whose first column counts.
    :param column: the column that holds the numbers; makes a text file a CSV file.
    :param encoding: encoding of a text file, default: what a byte order mark declares, else UTF-8.
    :param default_region: two capital letters, such as ``"TR"``: lines that are not E.164 are read as
        written in that region. Default: they are invalid.
    :param on_invalid: ``"fail"`` refuses the list, ``"skip"`` leaves such lines out, ``"keep"`` sends
        them as they are, for the task types that take e-mail addresses.
    :param rejects: where invalid lines are written as CSV with number, reason and value, whether they
        are skipped or fail the list; a path or anything with ``open("wb")``.
    :param batch_size: most numbers in one batch, default: all in one. Which batch a number comes into
        does not depend on the order of the list.
    :param min_batch_size: fewest numbers in one batch: a smaller remainder joins the batch before it,
        which is then larger than ``batch_size``.
    :raises NumberListError: or one of its kinds, when the list cannot be sent.
    :raises ValueError: when an argument makes no sense.
    """
    _check_arguments(encoding, on_invalid, batch_size, min_batch_size)
    normaliser = Normaliser(default_region) if default_region is not None else None
    name = describe(source)
    with tempfile.TemporaryDirectory(prefix="checknumber-") as temporary:
        directory = Path(temporary)
        checked, keys = directory / "checked", KeySet(directory)
        with open_rejects(rejects) as sink, open_blocks(source, column=column, encoding=encoding) as blocks:
            checker = LineChecker(name=name, normaliser=normaliser, on_invalid=on_invalid, rejects=sink)
            _write_checked(blocks, checker, checked, keys, only_e164=on_invalid != "keep")
        _raise_if_unusable(name, checker, on_invalid)
        numbers = drop_repeats(checked, keys, directory, only_e164=on_invalid != "keep")
        sizes = plan_batches(numbers.count, batch_size, min_batch_size)
        batches = (
            (numbers,)
            if len(sizes) == 1
            else write_batches(numbers, sizes, keys, directory, only_e164=on_invalid != "keep")
        )
        # Eight bytes a number, which nobody needs while the list is being sent.
        del keys
        yield _prepared(name, numbers, batches, checker)


def _write_checked(
    blocks: Iterator[Block], checker: LineChecker, target: Path, keys: KeySet, *, only_e164: bool
) -> None:
    with target.open("wb") as out:
        for block in blocks:
            lines = checker.check(block)
            out.write(lines)
            keys.add(keys_of(lines, only_e164=only_e164))


def _prepared(
    name: str, numbers: NumberBatch, batches: tuple[NumberBatch, ...], checker: LineChecker
) -> PreparedNumbers:
    prepared = PreparedNumbers(
        path=numbers.path,
        count=numbers.count,
        size=numbers.size,
        fingerprint=numbers.fingerprint,
        lines_read=checker.lines_read,
        duplicates=checker.lines_read - checker.invalid_count - numbers.count,
        invalid=checker.invalid_count,
        batches=batches,
    )
    log.info(
        "%s: %d numbers to send, %d repeated and %d invalid lines left out.",
        name,
        prepared.count,
        prepared.duplicates,
        prepared.invalid,
    )
    return prepared


def _check_arguments(
    encoding: str | None, on_invalid: str, batch_size: int | None, min_batch_size: int
) -> None:
    try:
        "".encode(encoding or "utf-8")
    except (LookupError, UnicodeError):
        raise ValueError(f"encoding={encoding!r} is no text encoding that Python knows") from None
    if on_invalid not in get_args(OnInvalid):
        raise ValueError(f"on_invalid={on_invalid!r} is none of {', '.join(get_args(OnInvalid))}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size={batch_size} is not at least 1")
    if batch_size is not None and min_batch_size > batch_size:
        raise ValueError(f"min_batch_size={min_batch_size} is above batch_size={batch_size}")


def _raise_if_unusable(name: str, checker: LineChecker, on_invalid: OnInvalid) -> None:
    invalid, read = checker.invalid_count, checker.lines_read
    if invalid and on_invalid == "fail":
        named = ", ".join(map(str, checker.invalid_lines))
        more = ", …" if invalid > len(checker.invalid_lines) else ""
        raise InvalidNumbersError(
            f"{name} was not sent: {invalid} of {read} lines are not E.164 numbers (line {named}{more}); "
            'correct them, or set on_invalid="skip", or default_region for national writing.',
            line_numbers=checker.invalid_lines,
            invalid_count=invalid,
        )
    if invalid == read:
        left = f"none of its {read} lines is a number" if read else "it holds no number"
        raise EmptyNumberListError(f"{name} was not sent: {left}.", lines_read=read)
