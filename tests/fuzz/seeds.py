"""What the inputs grow from: small number lists and archives, each of another shape, all of them sound."""

from __future__ import annotations

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from tests.results.archives import spreadsheet, zipped

#: Digits of the numbers, which no error and no log line may show.
SECRETS = ("2025550101", "5321234567", "7400123456")
NUMBERS = [f"+1{SECRETS[0]}", f"+90{SECRETS[1]}", f"+44{SECRETS[2]}"]


def list_seeds() -> list[bytes]:
    """Number lists: text, CSV, gzip and Parquet."""
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
    """Results: tables, side lists and spreadsheets, in zips and without."""
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
        _zip64("t/all.csv", table),
    ]


def _zip64(name: str, content: str) -> bytes:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(content.encode())
    return target.getvalue()
