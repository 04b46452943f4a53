"""
What is asked of the readers for one input: a result or one of the provider's own errors, whatever the input is.

Each input is read twice, with blocks of the usual size and with blocks of a few bytes, so that small inputs meet
the ends of blocks, too; both have to come to the same.
"""

from __future__ import annotations

import io
import logging
import random
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import airflow_provider_checknumber.text
from airflow_provider_checknumber.client import CheckNumberError
from airflow_provider_checknumber.numbers import prepare_numbers
from airflow_provider_checknumber.results import ArchiveLimits, open_results
from tests.fuzz.seeds import SECRETS

_SECONDS_FOR_ONE = 5.0
_LIMITS = ArchiveLimits(max_bytes=1 << 24, max_spreadsheet_bytes=1 << 24)


class Collector(logging.Handler):
    """Keeps what the provider logs while one input is tried."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logger = logging.getLogger("airflow_provider_checknumber")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def number_list(data: bytes, _path: Path) -> Callable[[], Any]:
    """Return what reads a number list; with which arguments depends on what is in it."""
    chance = random.Random(zlib.crc32(data))
    arguments: dict[str, Any] = {
        "column": chance.choice((None, None, "number", "x")),
        "encoding": chance.choice((None, None, None, None, None, "latin-1", "utf-16")),
        "default_region": chance.choice((None, None, "TR", "US")),
        "on_invalid": chance.choice(("fail", "skip", "keep")),
        "batch_size": chance.choice((None, 1, 2)),
    }

    def read() -> Any:
        with prepare_numbers(io.BytesIO(data), **arguments) as prepared:
            lines = prepared.path.read_bytes().split(b"\n")
            assert lines.pop() == b""
            assert 0 < prepared.count == len(lines) == len(set(lines))
            assert prepared.lines_read == prepared.count + prepared.duplicates + prepared.invalid
            assert sum(batch.path.read_bytes().count(b"\n") for batch in prepared.batches) == prepared.count
            return lines, prepared.fingerprint, prepared.lines_read, prepared.invalid

    return read


def result_archive(data: bytes, path: Path) -> Callable[[], Any]:
    """Return what reads a result; with which arguments depends on what is in it."""
    chance = random.Random(zlib.crc32(data))
    task_type = chance.choice((None, "twitter"))
    max_rows, on_bad_row = chance.choice((2, 65_536)), chance.choice(("fail", "skip"))
    path.write_bytes(data)

    def read() -> Any:
        with open_results(path, task_type=task_type, limits=_LIMITS) as table:
            kinds = [column.kind for column in table.columns]
            numbers: list[str] = []
            for batch in table.batches(max_rows, on_bad_row=on_bad_row):
                assert len(batch.columns) == len(kinds)
                assert {len(column) for column in batch.columns} == {len(batch)}
                assert all(batch.columns[0])
                for kind, column in zip(kinds, batch.columns, strict=True):
                    assert kind != "boolean" or set(column) <= {True, False, None}
                numbers += batch.columns[0]
            assert len(numbers) + table.counts.malformed == table.counts.rows_read
            return numbers, table.counts.malformed

    return read


TARGETS: dict[str, Callable[[bytes, Path], Callable[[], Any]]] = {
    "numbers": number_list,
    "archives": result_archive,
}


def tried(target: str, data: bytes, path: Path, collector: Collector) -> tuple[str, str | None]:
    """Return how an input ended, and what is wrong with that, if anything."""
    collector.lines.clear()
    started = time.process_time()
    try:
        read = TARGETS[target](data, path)
        outcome, result = _ended(read, collector)
        with _blocks_of(zlib.crc32(data) % 20 + 1):
            _, again = _ended(read, collector)
        wrong = None if result == again else "blocks of another size give another result"
    except Exception as error:
        return type(error).__name__, traceback.format_exc()
    if any(secret in line for secret in SECRETS for line in collector.lines):
        wrong = "a phone number in an error or a log line"
    if time.process_time() - started > _SECONDS_FOR_ONE:
        wrong = f"more than {_SECONDS_FOR_ONE} seconds of CPU"
    return outcome, wrong


def _ended(read: Callable[[], Any], collector: Collector) -> tuple[str, Any]:
    try:
        return "result", read()
    except CheckNumberError as error:
        collector.lines.append(str(error))
        return type(error).__name__, None


@contextmanager
def _blocks_of(size: int) -> Iterator[None]:
    usual = airflow_provider_checknumber.text.BLOCK_SIZE
    airflow_provider_checknumber.text.BLOCK_SIZE = size
    try:
        yield
    finally:
        airflow_provider_checknumber.text.BLOCK_SIZE = usual
