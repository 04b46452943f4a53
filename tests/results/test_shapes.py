"""Every shape that the services deliver results in."""

from __future__ import annotations

import sys

import pytest

from airflow_provider_checknumber.results import (
    MissingExtraError,
    NoNumberColumnError,
    NoTableError,
    NotAnArchiveError,
    UnreadableArchiveError,
    open_results,
)
from tests.results.archives import A, B, C, spreadsheet, zipped

TABLE = f"Number,twitter\n{A},yes\n{B},no\n"
ROWS = [(A, True), (B, False)]


def test_a_table_in_a_folder_beside_side_lists(read_result):
    result = read_result(
        zipped(
            ("d4g8/", b""),
            ("d4g8/activated.txt", f"{A}\n"),
            ("d4g8/all.csv", TABLE),
            ("d4g8/unregistered.txt", f"{B}\n"),
            ("__MACOSX/d4g8/._all.csv", b"\0"),
            ("d4g8/.DS_Store", b"\0"),
        )
    )

    assert result.member == "d4g8/all.csv"
    assert (result.names, result.kinds) == (["number", "twitter"], ["number", "boolean"])
    assert result.rows == ROWS
    assert result.lines == [2, 3]
    assert (result.counts.rows_read, result.counts.malformed, result.counts.not_determined) == (2, 0, 0)


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.rstrip("\n").encode(),
        ("\n\r\n" + TABLE).encode(),
        TABLE.replace(",", ";").encode(),
        TABLE.replace(",", "\t").encode(),
        TABLE.replace(",", "|").encode(),
        TABLE.replace("+", "").encode(),
        f"Number,twitter\n{A},yes\n{B[1:]},no\n".encode(),
        f'"Number","twitter"\n"{A}","yes"\n"{B}","no"\n'.encode(),
        f" NUMBER ,Twitter\n{A} , YES\n {B},No \n".encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("utf-32"),
        f"{TABLE}\n\n{TABLE}".encode(),
        TABLE.encode() + b'" ",""\n'.replace(b'" ",""', b""),
    ],
    ids=[
        "plain",
        "windows",
        "no newline at the end",
        "empty lines before the header",
        "semicolons",
        "tabs",
        "bars",
        "without plus",
        "with and without plus",
        "quoted",
        "capitals and spaces",
        "byte order mark",
        "utf-16",
        "utf-32",
        "header repeated",
        "empty line at the end",
    ],
)
@pytest.mark.parametrize("packed", [True, False], ids=["zip", "no zip"])
def test_one_table_in_many_writings(read_result, content, packed):
    result = read_result(zipped(("all.csv", content)) if packed else content)

    assert (result.names, result.kinds) == (["number", "twitter"], ["number", "boolean"])
    assert set(result.rows) == set(ROWS)
    assert result.counts.malformed == 0


@pytest.mark.parametrize("name", ["./d4g8/all.csv", "result.csv", "x/RESULT.CSV", "result.tsv", "result.txt"])
def test_a_table_may_have_any_name(read_result, name):
    assert read_result(zipped((name, TABLE))).rows == ROWS


def test_several_tables_of_one_kind_are_read_as_one_in_their_order(read_result, caplog):
    caplog.set_level("INFO")

    result = read_result(
        zipped(
            ("part-10.csv", f"number,activated\n{C},no\n"),
            ("part-2.csv", f"Number,Activated\n{B},no\n"),
            ("part-1.csv", f"Number;Activated\n{A};yes\n"),
            ("readme.csv", "about\nnothing\n"),
        )
    )

    assert result.rows == [(A, True), (B, False), (C, False)]
    assert result.member == "part-1.csv and part-2.csv and part-10.csv"
    assert [batch.member for batch in result.batches] == ["part-1.csv", "part-2.csv", "part-10.csv"]
    assert "reading 3 of them: part-1.csv, part-2.csv, part-10.csv" in caplog.text


def test_the_table_called_all_is_taken_before_its_parts(read_result, caplog):
    caplog.set_level("INFO")

    result = read_result(
        zipped(("activated.csv", f"number,activated\n{A},yes\n"), ("all.csv", f"number,activated\n{B},no\n"))
    )

    assert result.rows == [(B, False)]
    assert "2 tables; reading 1 of them: all.csv" in caplog.text


def test_of_different_tables_the_one_with_most_columns_is_taken(read_result, caplog):
    caplog.set_level("INFO")

    result = read_result(zipped(("b.csv", "number\n" + f"{B}\n" * 99), ("a.csv", f"number,age\n{A},3\n")))

    assert result.member == "a.csv"
    assert "reading 1 of them: a.csv" in caplog.text


def test_side_lists_alone_make_a_table(read_result, caplog):
    caplog.set_level("INFO")

    result = read_result(
        zipped(
            ("t/activated.txt", f"\ufeff{A}\r\n{B[1:]}\r\n"),
            ("t/unregistered.txt", C),
            ("t/notes.txt", "hello"),
        )
    )

    assert (result.names, result.kinds) == (["number", "activated"], ["number", "boolean"])
    assert result.rows == [(A, True), (B, True), (C, False)]
    assert result.lines == [1, 2, 1]
    assert "1 other files left aside" in caplog.text


def test_one_side_list_is_enough(read_result):
    assert read_result(zipped(("unregistered.txt", f"{A}\n"))).rows == [(A, False)]


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "no zip"])
def test_a_spreadsheet(read_result, packed):
    book = spreadsheet(
        [],
        ["Number", "Activated", "age", "checked"],
        [905321234567, "yes", 34, None],
        [12025550101.0, "No", 3.5, "x"],
        [None, None],
        [C, True],
    )

    result = read_result(zipped(("t/result.xlsx", book), ("t/activated.txt", A)) if packed else book)

    assert (result.names, result.kinds) == (
        ["number", "activated", "age", "checked"],
        ["number", "boolean", "text", "text"],
    )
    assert result.rows == [(B, True, "34", None), (A, False, "3.5", "x"), (C, True, None, None)]
    assert result.lines == [3, 4, 6]


def test_the_sheet_with_a_number_column_is_taken(read_result, caplog):
    caplog.set_level("INFO")
    book = spreadsheet(sheets=[[["about"]], [], [["number"], [A]]])

    assert read_result(book).rows == [(A,)]
    assert "3 sheets; reading sheet 3" in caplog.text


def test_of_several_spreadsheets_the_log_says_which_was_taken(read_result, caplog):
    caplog.set_level("INFO")
    small, large = spreadsheet(["number"], [A]), spreadsheet(["number"], *[[B]] * 500)

    assert read_result(zipped(("a.xlsx", small), ("b.xlsx", large))).rows[0] == (B,)
    assert "2 spreadsheets; reading b.xlsx" in caplog.text
    assert read_result(zipped(("all.xlsx", small), ("b.xlsx", large))).rows == [(A,)]


def test_a_table_in_text_is_taken_before_a_spreadsheet(read_result):
    book = spreadsheet(["number"], [B])

    assert read_result(zipped(("all.xlsx", book), ("x.csv", f"number\n{A}\n"))).rows == [(A,)]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", NotAnArchiveError),
        (b"<html><body>a,b</body></html>", NotAnArchiveError),
        (b'{"error": "x", "message": "y"}', NotAnArchiveError),
        (b"\x89PNG\r\n,\0\0", NotAnArchiveError),
        (b"\x1f\x8b\x08,;", NotAnArchiveError),
        (b"a,b\n1,2\n", NoNumberColumnError),
        (f"{A},yes\n{B},no\n".encode(), NoNumberColumnError),
        (zipped(("all.csv", "a,b\n1,2\n")), NoNumberColumnError),
        (zipped(("all.csv", "")), NoNumberColumnError),
        (spreadsheet(["a", "b"], [A, 1]), NoNumberColumnError),
        (spreadsheet(), NoNumberColumnError),
        (zipped(), NoTableError),
        (zipped(("picture.png", b"x"), ("inner.zip", zipped(("all.csv", TABLE)))), NoTableError),
        (zipped(("all.csv", TABLE))[:-9], UnreadableArchiveError),
        (b"PK\x03\x04 and nothing else", UnreadableArchiveError),
        (b"\xff\xfe\x00\xd8" + b"a\0" * 9, NotAnArchiveError),
    ],
)
def test_what_is_no_result_is_refused(read_result, content, error):
    with pytest.raises(error) as caught:
        read_result(content)

    assert type(caught.value) is error
    assert A[1:] not in str(caught.value)


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(UnreadableArchiveError, match=r"gone\.zip is not there"):
        open_results(tmp_path / "gone.zip").__enter__()
    with pytest.raises(UnreadableArchiveError, match="cannot be read"):
        open_results(tmp_path).__enter__()


def test_an_error_of_whoever_reads_a_result_is_not_taken_for_one_of_the_archive(tmp_path):
    (tmp_path / "x").write_text(TABLE)

    with pytest.raises(FileNotFoundError), open_results(tmp_path / "x"):
        raise FileNotFoundError


def test_a_spreadsheet_without_openpyxl_says_what_to_install(read_result, monkeypatch):
    book = spreadsheet(["number"], [A])
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(MissingExtraError, match=r"airflow-provider-checknumber\[xlsx\]"):
        read_result(book)
