"""Archives made to do harm end in one of the provider's own errors, without filling disk or memory."""

from __future__ import annotations

import io
import logging
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_checknumber.results import (
    ArchiveLimitError,
    ArchiveLimits,
    MalformedRowError,
    NoTableError,
    ResultError,
    UnreadableArchiveError,
    UnsafeArchiveError,
    open_results,
)
from tests.results.archives import A, B, spreadsheet, zipped

TABLE = f"Number,twitter\n{A},yes\n{B},no\n"


@contextmanager
def memory_below(megabytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def packed_run(head: bytes, unit: bytes, megabytes: int) -> bytes:
    """A zip whose table is ``head`` and then ``unit`` over and over. Its check sum is wrong: nobody gets there."""
    block = unit * ((1 << 20) // len(unit))
    packer = zlib.compressobj(wbits=-15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers to what was before, so the same packed bytes can come again.
    data = start + (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)) * megabytes + b"\x03\0"
    name = b"all.csv"
    fields = struct.pack(
        "<5H3L2H", 20, 0, 8, 0, 0, 0, len(data), len(head) + len(block) * megabytes, len(name), 0
    )
    local = b"PK\x03\x04" + fields + name + data
    central = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<3H2L", 0, 0, 0, 0, 0) + name
    return local + central + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


def test_a_bomb_is_stopped_by_its_ratio(read_result):
    bomb = packed_run(b"number,name\n", f"{A},{'a' * 1_000}\n".encode(), 16)

    with memory_below(24), pytest.raises(ArchiveLimitError, match="max_ratio"):
        read_result(bomb)


def test_a_bomb_is_stopped_by_its_size(read_result):
    content = zipped(("all.csv", "number,name\n" + "".join(f"+1202555{n:04d},{n}\n" for n in range(9_999))))

    with pytest.raises(ArchiveLimitError, match="100000 bytes"):
        read_result(content, limits=ArchiveLimits(max_bytes=100_000))
    assert len(read_result(content, limits=ArchiveLimits(max_bytes=300_000)).rows) == 9_999


def test_a_plain_table_is_limited_too(read_result):
    with pytest.raises(ArchiveLimitError):
        read_result(b"number\n" + b"12\n" * 9_999, limits=ArchiveLimits(max_bytes=10_000))


def test_a_line_of_a_gigabyte_is_not_held(read_result):
    bomb = packed_run(b"number,name\n" + A.encode() + b",", b"a", 1_024)

    with memory_below(24), pytest.raises(ArchiveLimitError, match="line of all"):
        read_result(bomb, limits=ArchiveLimits(max_ratio=10_000))


@pytest.mark.parametrize(
    ("start", "unit"),
    [(b"", b'"' + b"x" * 99 + b'\n",'), (b'"', b"x" * 99 + b"\n")],
    ids=["many cells", "one cell"],
)
def test_a_row_without_end_is_not_held(read_result, start, unit):
    bomb = packed_run(b"number,name\n" + A.encode() + b"," + start, unit, 64)

    with memory_below(96), pytest.raises(MalformedRowError, match="line 2"):
        read_result(bomb, limits=ArchiveLimits(max_ratio=10_000), on_bad_row="skip")


def test_a_header_of_endless_columns_is_refused(read_result):
    with pytest.raises(ArchiveLimitError, match="5001 columns"):
        read_result(zipped(("all.csv", "number" + ",a" * 5_000 + "\n")))


def test_a_plain_table_of_endless_columns_is_told_from_one_without_numbers(read_result):
    with pytest.raises(ArchiveLimitError, match="1001 columns"):
        read_result(b"number" + b",a" * 1_000 + b"\n")


def test_a_header_that_repeats_one_name_takes_no_time_to_number(read_result):
    assert read_result(
        ("number" + ",a" * 20_000 + "\n").encode(), limits=ArchiveLimits(max_columns=30_000)
    ).names[::10_000] == ["number", "a_10000", "a_20000"]


def test_nested_zips_are_not_opened(read_result):
    bomb = packed_run(b"", b"\0", 1)
    for _ in range(5):
        bomb = zipped(*[(f"{n}.zip", bomb) for n in range(10)])

    with memory_below(16), pytest.raises(NoTableError):
        read_result(bomb)


@pytest.mark.parametrize(
    "name", ["/etc/all.csv", "../all.csv", "a/../../all.csv", "..\\all.csv", "C:\\all.csv"]
)
def test_names_that_lead_elsewhere_are_refused(read_result, name):
    with pytest.raises(UnsafeArchiveError, match="leads out"):
        read_result(zipped(("all.csv", TABLE), (name, "x")))


def test_symbolic_links_are_refused(read_result):
    link = zipfile.ZipInfo("all.csv")
    link.external_attr = 0o120777 << 16
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(UnsafeArchiveError, match="symbolic link"):
        read_result(target.getvalue())


def test_encrypted_members_are_refused(read_result):
    content = bytearray(zipped(("all.csv", TABLE)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1

    with pytest.raises(UnreadableArchiveError, match="encrypted"):
        read_result(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_measure_are_refused(read_result, method):
    with pytest.raises(UnreadableArchiveError, match="method"):
        read_result(zipped(("all.csv", TABLE), method=method))


def directory_of(entries: int) -> bytes:
    """A zip whose directory has so many entries, all of one empty file."""
    one = zipped(("a.csv", b""))
    begin, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    entry = one[begin:end]
    zip64 = struct.pack(
        "<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, len(entry) * entries, begin
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, begin + len(entry) * entries, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return one[:begin] + entry * entries + zip64 + locator + last


def test_a_directory_of_a_million_members_is_not_taken_in(read_result):
    content = directory_of(1_000_000)

    with memory_below(16), pytest.raises(ArchiveLimitError, match="directory larger"):
        read_result(content)


def test_more_members_than_allowed_are_refused(read_result):
    with pytest.raises(ArchiveLimitError, match="1001 members"):
        read_result(zipped(*[(f"{n}.txt", "") for n in range(1_001)]))


def patched(content: bytes, *, local: dict[int, bytes], central: dict[int, bytes]) -> bytes:
    """Overwrite fields of the only member's headers, by their offsets."""
    data = bytearray(content)
    for signature, fields in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = data.index(signature)
        for offset, value in fields.items():
            data[start + offset : start + offset + len(value)] = value
    return bytes(data)


def number(value: int) -> bytes:
    return struct.pack("<L", value)


LIES = {
    "fewer bytes unpacked": ({22: number(20)}, {24: number(20)}),
    "more bytes unpacked": ({22: number(9_999)}, {24: number(9_999)}),
    "fewer bytes packed": ({18: number(9)}, {20: number(9)}),
    "another check sum": ({14: number(1)}, {16: number(1)}),
    "stored, not packed": ({8: b"\0\0"}, {10: b"\0\0"}),
    "somewhere else": ({}, {42: number(7)}),
    "far behind the end": ({}, {42: number(2**31)}),
    "another name": ({30: b"b"}, {}),
}


@pytest.mark.parametrize(("local", "central"), LIES.values(), ids=LIES)
def test_a_directory_that_lies_is_found_out(read_result, local, central):
    content = zipped(("all.csv", TABLE * 20))

    with pytest.raises(UnreadableArchiveError):
        read_result(patched(content, local=local, central=central))


def test_a_right_check_sum_does_not_make_up_for_a_wrong_length(read_result):
    content = zipped(("all.csv", TABLE), method=zipfile.ZIP_STORED)
    check_sum = zlib.crc32(TABLE.encode())

    with pytest.raises(UnreadableArchiveError, match=r"bytes where the archive says|damaged"):
        read_result(patched(content, local={}, central={16: number(check_sum), 24: number(len(TABLE) + 500)}))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_a_truncated_archive_is_refused(read_result, share):
    content = zipped(("all.csv", "number\n" + "".join(f"+1202555{n:04d}\n" for n in range(9_999))))

    with pytest.raises(UnreadableArchiveError):
        read_result(content[: int(len(content) * share)])


def test_damage_in_the_last_bytes_is_found_by_the_check_sum(read_result):
    content = bytearray(
        zipped(("all.csv", "number\n" + "12025550101\n" * 200_000), method=zipfile.ZIP_STORED)
    )
    place = content.index(b"PK\x01\x02") - 5
    content[place] ^= 1

    with pytest.raises(UnreadableArchiveError, match="damaged"):
        read_result(bytes(content))


@pytest.mark.parametrize("damaged", [b"Nimber,twitter", b"Number,twatter"])
def test_a_table_is_not_left_aside_because_its_header_is_damaged(read_result, damaged):
    rows = f"{A},yes\n" * 30_000
    parts = zipped(("1.csv", "Number,twitter\n" + rows), ("2.csv", TABLE), method=zipfile.ZIP_STORED)

    with pytest.raises(UnreadableArchiveError, match=r"1\.csv in the result archive is damaged"):
        read_result(parts.replace(b"Number,twitter", damaged, 1))


def test_a_table_that_is_left_aside_is_checked_for_damage(read_result):
    other = "Number,business\n" + f"{A},yes\n" * 30_000
    archive = zipped(("all.csv", TABLE), ("other.csv", other), method=zipfile.ZIP_STORED)
    end = archive.rindex(b",yes\n")

    with pytest.raises(UnreadableArchiveError, match=r"other\.csv in the result archive is damaged"):
        read_result(archive[:end] + b",no!\n" + archive[end + 5 :])


def test_a_table_that_is_left_aside_is_text_to_its_end(read_result):
    other = ("Number,business\n" + f"{A},yes\n" * 30_000).encode("utf-16") + b"\x00\xd8"

    with pytest.raises(UnreadableArchiveError, match=r"other\.csv is not text of the encoding"):
        read_result(zipped(("all.csv", TABLE), ("other.csv", other)))


def test_rows_read_before_the_damage_are_not_all_there_is(tmp_path):
    """Batches come before the check sum can be compared: who loads them must not commit before the end."""
    content = bytearray(
        zipped(("all.csv", "number\n" + "12025550101\n" * 200_000), method=zipfile.ZIP_STORED)
    )
    content[content.index(b"PK\x01\x02") - 5] ^= 1
    (tmp_path / "x").write_bytes(content)

    with open_results(tmp_path / "x") as table:
        batches = table.batches()
        assert len(next(batches)) > 0
        with pytest.raises(UnreadableArchiveError):
            list(batches)


def test_a_member_without_a_name_is_refused(read_result):
    with pytest.raises(UnreadableArchiveError, match="without a name"):
        read_result(zipped(("all.csv", TABLE), ("@", "")).replace(b"@", b"\0"))


def test_a_phone_number_in_a_name_is_not_shown(read_result, caplog):
    caplog.set_level(logging.DEBUG)
    read_result(zipped((f"{A}-1.csv", TABLE), (f"{A}-2.csv", TABLE)))
    assert "#-1.csv" in caplog.text
    assert A[1:] not in caplog.text

    read_result(f"number,x{A}\n{B},perhaps\n".encode(), task_type=f"x{A}")
    assert "Column x+#" in caplog.text
    assert A[1:] not in caplog.text

    with pytest.raises(ResultError, match=r"#\.csv") as raised:
        read_result(zipped((f"{A}.csv", TABLE + "a,b,c\n")))
    assert A[1:] not in str(raised.value)


def test_names_of_thousands_of_digits_are_put_in_order(read_result):
    parts = [
        (f"{'9' * 5_000}{part}.csv", f"Number,twitter\n{number},yes\n") for part, number in ((10, B), (9, A))
    ]

    assert [row[0] for row in read_result(zipped(*parts)).rows] == [A, B]


def test_a_name_cannot_forge_a_log_line(read_result):
    with pytest.raises(ResultError) as caught:
        read_result(zipped(("a\nERROR forged\x1b[31m.csv", b"number,x\n" + A.encode() + b"\n")))

    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def rezipped(book: bytes, **changes: bytes) -> bytes:
    """A workbook with some of its members exchanged."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = {
        "sheet": "xl/worksheets/sheet1.xml",
        "strings": "xl/sharedStrings.xml",
        "styles": "xl/styles.xml",
    }
    return zipped(*{**members, **{names[key]: content for key, content in changes.items()}}.items())


BOOK = spreadsheet(["number", "name"], [A, "x"])
SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
CELL = b'<c r="A1" t="inlineStr"><is><t>number</t></is></c>'

HOSTILE_BOOKS = {
    "a row without end": {"sheet": SHEET + b"<row>" + CELL * 200_000},
    "strings without end": {"strings": b"<sst>" + b"<si><t>a" * 4_000_000},
    "styles without end": {"styles": b"<a>" + b" " * (17 << 20)},
    "entities": {"sheet": b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + SHEET + b"<row/></sheetData></worksheet>"},
    "utf-16": {"sheet": ('<?xml version="1.0" encoding="utf-16"?>' + SHEET.decode()).encode("utf-16")},
    "no xml": {"sheet": b"nonsense"},
    "cut off": {"sheet": SHEET + b"<row>" + CELL},
}


@pytest.mark.parametrize("changes", HOSTILE_BOOKS.values(), ids=HOSTILE_BOOKS)
def test_hostile_spreadsheets_are_refused(read_result, changes):
    book = rezipped(BOOK, **changes)

    with memory_below(64), pytest.raises(ResultError):
        read_result(book, limits=ArchiveLimits(max_ratio=100_000))


@pytest.mark.parametrize("claim", ["A1:XFD1048576", "A1:A1"])
def test_a_sheet_is_read_for_what_it_holds_whatever_size_it_claims(read_result, claim):
    head = SHEET.replace(b"<sheetData>", f'<dimension ref="{claim}"/><sheetData>'.encode())
    rows = b'<row r="1">' + CELL + b'</row><row r="2"><c r="A2"><v>12025550101</v></c></row>'

    assert read_result(rezipped(BOOK, sheet=head + rows + b"</sheetData></worksheet>")).rows == [(A,)]


def test_a_spreadsheet_bomb_is_stopped_by_its_size(read_result):
    with pytest.raises(ArchiveLimitError, match="max_spreadsheet_bytes"):
        read_result(BOOK, limits=ArchiveLimits(max_spreadsheet_bytes=1_000))
    with pytest.raises(ArchiveLimitError, match="more than the 1000 allowed for a spreadsheet"):
        read_result(zipped(("x.xlsx", BOOK)), limits=ArchiveLimits(max_spreadsheet_bytes=1_000))


def test_a_spreadsheet_without_its_parts_is_refused(read_result):
    with pytest.raises(UnreadableArchiveError, match="damaged or no spreadsheet"):
        read_result(zipped(("xl/workbook.xml", "<workbook/>")))
    with pytest.raises(ResultError):
        read_result(zipped(("x.xlsx", b"no zip")))


def test_temporary_files_are_gone_afterwards(read_result, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    read_result(zipped(("x.xlsx", BOOK)))
    with pytest.raises(ResultError):
        read_result(zipped(("x.xlsx", rezipped(BOOK, sheet=b"nonsense"))))

    assert list((tmp_path / "temporary").iterdir()) == []
