"""
Damaged and made-up inputs for the number reader and the archive reader, by hand and in any number.

    uv run python -m tests.fuzz --inputs 200000

Each input is a seed, cut up, overwritten, doubled, mixed with another, and sometimes packed again. It has
to end in a result or in one of the provider's own errors, within a few seconds, and without a phone number
in an error or a log line. Prints how many were tried and what was found; exits 1 when anything was. An
input is made from its number alone: ``--first 4711 --inputs 1`` tries number 4711 again.
"""

from __future__ import annotations

import argparse
import gzip
import io
import logging
import random
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_checknumber.client import CheckNumberError
from airflow_provider_checknumber.numbers import prepare_numbers
from airflow_provider_checknumber.results import ArchiveLimits, open_results
from tests.results.archives import spreadsheet, zipped

SECONDS_FOR_ONE = 5.0
SECRETS = ("2025550101", "5321234567", "7400123456")
NUMBERS = [f"+1{SECRETS[0]}", f"+90{SECRETS[1]}", f"+44{SECRETS[2]}"]
PIECES = [
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
]


class Collector(logging.Handler):
    """Keeps what is logged while one input is tried."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def list_seeds() -> list[bytes]:
    plain = "\n".join(NUMBERS).encode() + b"\n"
    parquet = io.BytesIO()
    pq.write_table(pa.table({"number": NUMBERS}), parquet)
    return [
        plain,
        b"phone\r\n" + plain.replace(b"\n", b" \r\n"),
        plain.decode().encode("utf-16"),
        b"0532 123 45 67\n+90 (532) 123 45 67\n00 44 7400 123456\na@example.com\n",
        b'id;number\n1;"' + plain[:12] + b'"\n2;\n',
        gzip.compress(plain),
        parquet.getvalue(),
    ]


def archive_seeds() -> list[bytes]:
    table = "Number,twitter,name\n" + "".join(f'{number},yes,"a ""b""\nc"\n' for number in NUMBERS)
    plain = "number;activated\n" + "".join(f"{number[1:]};no\n" for number in NUMBERS)
    book = spreadsheet(["Number", "activated"], *([number, "yes"] for number in NUMBERS))
    lists = [("t/activated.txt", NUMBERS[0]), ("t/unregistered.txt", NUMBERS[1])]
    return [
        table.encode(),
        plain.encode("utf-16"),
        zipped(("t/all.csv", table), *lists),
        zipped(("1.csv", plain), ("2.csv", plain), method=zipfile.ZIP_STORED),
        zipped(*lists),
        zipped(("x.xlsx", book)),
        book,
    ]


def mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return a seed after a few accidents."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        place = chance.randrange(len(data) + 1)
        end = min(place + chance.randrange(1, 30), len(data))
        accident = chance.randrange(7)
        if accident == 0:
            data[place : place + 1] = bytes([chance.randrange(256)])
        elif accident == 1:
            data[place:place] = chance.choice(PIECES)
        elif accident == 2:
            data[place : place + 4] = chance.choice(PIECES)
        elif accident == 3:
            del data[place:end]
        elif accident == 4:
            data[place:place] = data[place:end] * chance.randrange(1, 20)
        elif accident == 5:
            del data[place:]
        else:
            other = chance.choice(seeds)
            data[place:] = other[chance.randrange(len(other)) :]
    return repacked(chance, bytes(data))


def repacked(chance: random.Random, data: bytes) -> bytes:
    """Sometimes hide the accidents inside a sound wrapping, where check sums do not find them first."""
    wrapping = chance.randrange(8)
    if wrapping == 0:
        return gzip.compress(data, 1)
    if wrapping == 1:
        names = ("all.csv", "a.txt", "activated.txt", "x.xlsx", "xl/workbook.xml", "../a.csv", "d/")
        return zipped((chance.choice(names), data), (chance.choice(names), data[: len(data) // 2]))
    if wrapping == 2 and data.startswith(b"PK"):
        return with_one_member_damaged(chance, data)
    return data


def with_one_member_damaged(chance: random.Random, data: bytes) -> bytes:
    """A zip whose sums are right and one of whose members is not what it was."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:
        return data
    if not members:
        return data
    name = chance.choice(sorted(members))
    content = bytearray(members[name])
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(content) + 1)
        content[place : place + chance.randrange(3)] = chance.choice(PIECES)
    return zipped(*{**members, name: bytes(content)}.items())


def try_numbers(chance: random.Random, seeds: list[bytes]) -> None:
    arguments = {
        "column": chance.choice((None, None, "number", "x")),
        "encoding": chance.choice((None, None, None, "latin-1", "utf-16")),
        "default_region": chance.choice((None, None, "TR", "US")),
        "on_invalid": chance.choice(("fail", "skip", "keep")),
        "batch_size": chance.choice((None, 1, 2)),
    }
    source = io.BytesIO(mutate(chance, seeds))
    with prepare_numbers(source, **arguments) as prepared:
        lines = prepared.path.read_bytes().split(b"\n")
        assert lines.pop() == b""
        assert 0 < prepared.count == len(lines) == len(set(lines))
        assert prepared.lines_read == prepared.count + prepared.duplicates + prepared.invalid
        assert sum(batch.path.read_bytes().count(b"\n") for batch in prepared.batches) == prepared.count


def try_archive(chance: random.Random, seeds: list[bytes], path: Path) -> None:
    path.write_bytes(mutate(chance, seeds))
    limits = ArchiveLimits(max_bytes=1 << 24, max_spreadsheet_bytes=1 << 24)
    with open_results(path, task_type=chance.choice((None, "twitter")), limits=limits) as table:
        kinds = [column.kind for column in table.columns]
        rows = 0
        for batch in table.batches(chance.choice((2, 65_536)), on_bad_row=chance.choice(("fail", "skip"))):
            assert len(batch.columns) == len(kinds)
            assert {len(column) for column in batch.columns} == {len(batch)}
            assert all(batch.columns[0])
            for kind, column in zip(kinds, batch.columns, strict=True):
                assert kind != "boolean" or set(column) <= {True, False, None}
            rows += len(batch)
        assert rows + table.counts.malformed == table.counts.rows_read


def try_one(trial: Callable[[], None], collector: Collector) -> tuple[str, str | None]:
    """Return how an input ended, and what is wrong with that, if anything."""
    collector.lines.clear()
    started = time.monotonic()
    wrong = None
    try:
        trial()
        outcome = "result"
    except CheckNumberError as error:
        outcome = type(error).__name__
        collector.lines.append(str(error))
    except Exception:
        outcome = "another exception"
        wrong = traceback.format_exc()
    if any(secret in line for secret in SECRETS for line in collector.lines):
        wrong = "a phone number in " + next(
            line for line in collector.lines if any(s in line for s in SECRETS)
        )
    if time.monotonic() - started > SECONDS_FOR_ONE:
        wrong = f"took {time.monotonic() - started:.1f} seconds"
    return outcome, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Try damaged inputs on the number and the archive reader.")
    parser.add_argument("--inputs", type=int, default=200_000, help="how many (default: %(default)s)")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first input (default: %(default)s)"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    collector = Collector()
    logging.getLogger("airflow_provider_checknumber").addHandler(collector)
    logging.getLogger("airflow_provider_checknumber").setLevel(logging.DEBUG)
    seeds = list_seeds(), archive_seeds()
    outcomes: Counter[str] = Counter()
    found = 0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "download")
        for number in range(arguments.first, arguments.first + arguments.inputs):
            chance = random.Random(number)
            if number % 2:
                outcome, wrong = try_one(lambda: try_archive(chance, seeds[1], path), collector)  # noqa: B023
            else:
                outcome, wrong = try_one(lambda: try_numbers(chance, seeds[0]), collector)  # noqa: B023
            outcomes[outcome] += 1
            if wrong:
                found += 1
                print(f"input {number}: {wrong}", file=sys.stderr)
    print(f"{arguments.inputs} inputs tried, {found} found.")
    for outcome, count in outcomes.most_common():
        print(f"{count:>9}  {outcome}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
