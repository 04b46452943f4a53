"""What holds for every result, and for any bytes at all."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_checknumber.client import CheckNumberError
from airflow_provider_checknumber.numbers import prepare_numbers
from airflow_provider_checknumber.results import open_results
from airflow_provider_checknumber.sandbox.archive import answers_for, write_results
from airflow_provider_checknumber.sandbox.settings import RESULT_SHAPES
from tests.results.archives import read, zipped

e164 = st.integers(10, 10**15 - 1).map("+{}".format)
# NUL is refused elsewhere; a carriage return that the writer leaves unquoted is half of a line end.
names = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=20)
answers = st.sampled_from(["yes", "no", "unknown", ""])
rows = st.lists(st.tuples(e164, answers, names), min_size=1, max_size=30)
MEANING = {"yes": True, "no": False}


def table_of(rows: list[tuple[str, str, str]], *, delimiter: str, line_end: str, quoting: int) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(["Number", "activated", "name"])
    writer.writerows(rows)
    return text.getvalue()


@given(
    rows,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_any_result_is_read_as_it_was_written(rows, delimiter, line_end, quoting, encoding, packed, max_rows):
    content = table_of(rows, delimiter=delimiter, line_end=line_end, quoting=quoting).encode(encoding)

    with tempfile.TemporaryDirectory() as directory:
        result = read(
            zipped(("t/all.csv", content)) if packed else content, Path(directory, "x"), max_rows=max_rows
        )

    assert result.rows == [(number, MEANING.get(answer), name or None) for number, answer, name in rows]
    assert result.counts.rows_read == len(rows)
    assert result.counts.not_determined == sum(answer not in MEANING for _, answer, _ in rows)


@given(st.lists(e164, max_size=50), st.lists(e164, max_size=50), st.booleans())
def test_any_side_lists_are_read_as_they_were_written(activated, unregistered, with_plus):
    def listed(numbers: list[str]) -> str:
        return "".join(f"{number if with_plus else number[1:]}\n" for number in numbers)

    content = zipped(("activated.txt", listed(activated)), ("unregistered.txt", listed(unregistered)))

    with tempfile.TemporaryDirectory() as directory:
        result = read(content, Path(directory, "x"))

    assert result.rows == [
        *((number, True) for number in activated),
        *((number, False) for number in unregistered),
    ]


@settings(max_examples=30)
@given(
    st.lists(e164, min_size=1, unique=True),
    st.sets(st.sampled_from(RESULT_SHAPES)),
    st.sampled_from(["Twitter", "htx", "ws"]),
)
def test_any_list_of_numbers_survives_the_round_trip(numbers, shape, task_type):
    with tempfile.TemporaryDirectory() as directory, prepare_numbers(numbers) as prepared:
        path = Path(directory, "result")
        answers = answers_for(task_type, undetermined=0.2, shape=frozenset(shape))
        write_results(
            prepared.path, path, task_id="d4g8", answers=answers, shape=frozenset(shape), check=lambda: None
        )
        result = read(path.read_bytes(), path, task_type=task_type)

    assert sorted(row[0] for row in result.rows) == sorted(numbers)
    assert result.counts.not_determined == sum(row[1] is None for row in result.rows)


member_names = st.sampled_from(
    [
        "all.csv",
        "a/b.csv",
        "x.txt",
        "activated.txt",
        "unregistered.txt",
        "x.xlsx",
        "xl/workbook.xml",
        "../x",
        "d/",
    ]
)
tabular = st.lists(
    st.sampled_from([b"number", b"+12025550101", b",", b";", b"\n", b'"', b"\r\n", b"\0", b"\xff", b"yes"])
)
contents = st.one_of(
    st.binary(), tabular.map(b"".join), tabular.map(lambda parts: b"number,a\n" + b"".join(parts))
)


def ends_in_rows_or_in_an_error_of_the_provider(content: bytes, on_bad_row: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x")
        path.write_bytes(content)
        try:
            with open_results(path) as table:
                read = sum(len(batch) for batch in table.batches(on_bad_row=on_bad_row))
                assert read + table.counts.malformed == table.counts.rows_read
        except CheckNumberError:
            pass


@given(contents, st.sampled_from(["fail", "skip"]))
def test_any_bytes_end_in_rows_or_in_an_error_of_the_provider(content, on_bad_row):
    ends_in_rows_or_in_an_error_of_the_provider(content, on_bad_row)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(
    st.lists(st.tuples(member_names, contents), max_size=4),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.sampled_from(["fail", "skip"]),
)
def test_any_damaged_zip_ends_in_rows_or_in_an_error_of_the_provider(members, method, damage, on_bad_row):
    content = bytearray(zipped(*members, method=method))
    for place, value in damage:
        content[int(place * len(content))] = value

    ends_in_rows_or_in_an_error_of_the_provider(bytes(content), on_bad_row)
