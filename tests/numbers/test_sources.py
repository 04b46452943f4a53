"""Where numbers come from: columns of tables, values handed over, places that open themselves."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_checknumber.numbers import (
    EmptyNumberListError,
    InvalidNumbersError,
    NumberColumnError,
    NumberEncodingError,
    NumberListError,
    prepare_numbers,
)
from tests.results.archives import spreadsheet

A, B, C = "+12025550101", "+905321234567", "+447400123456"


def sent(source: object, **arguments: object) -> list[str]:
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    with prepare_numbers(source, **arguments) as prepared:
        return prepared.path.read_text().splitlines()


class Place:
    """Opens itself as an ``ObjectStoragePath`` does, and is no local path."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content
        self.written = b""

    def __str__(self) -> str:
        return "s3://bucket/numbers.txt"

    def open(self, mode: str) -> io.BytesIO:
        if mode == "rb":
            return io.BytesIO(self.content)
        place = self

        class Upload(io.BytesIO):
            def close(self) -> None:
                place.written = self.getvalue()
                super().close()

        return Upload()


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives little at a time."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int = -1) -> bytes:
        size = min(size, 7)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def test_a_place_opens_itself_for_numbers_and_for_rejects():
    numbers, rejects = Place(f"{A}\nx\n".encode()), Place()

    assert sent(numbers, on_invalid="skip", rejects=rejects) == [A]
    assert rejects.written == b"line,reason,value\n2,not an E.164 number,x\n"


def test_an_error_names_the_place():
    with pytest.raises(EmptyNumberListError, match=r"s3://bucket/numbers\.txt"):
        sent(Place())


def test_a_stream_may_give_little_at_a_time():
    assert sent(Pipe(f"{A}\r\n{B}\r\n".encode())) == [A, B]
    assert sent(Pipe(gzip.compress(f"{A}\n{B}\n".encode()))) == [A, B]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_column_of_a_csv_file_is_found_by_its_name(delimiter):
    text = f"id,Phone ,name\n1,{A},x\n2,,y\n3,{B},z\n".replace(",", delimiter)

    assert sent(text.encode(), column="Phone") == [A, B]
    assert sent(text.encode(), column="phone") == [A, B]


def test_capitals_tell_columns_apart_that_differ_in_nothing_else():
    assert sent(f"phone,Phone\n{A},{B}\n".encode(), column="Phone") == [B]


def test_csv_may_be_compressed_quoted_and_in_another_encoding():
    text = f'name;phone\r\n"Ö;\r\nx";"{A}"\r\n'

    assert sent(gzip.compress(text.encode()), column="phone") == [A]
    assert sent(text.encode("utf-16"), column="phone") == [A]
    assert sent(text.encode("cp1254"), column="phone", encoding="cp1254") == [A]


def test_a_bad_line_of_a_csv_file_is_named_though_cells_span_lines():
    text = f'name,phone\n"two\nlines",{A}\n"a\n\nb",{B}\nx,nothing\n'

    with pytest.raises(InvalidNumbersError) as caught:
        sent(text.encode(), column="phone")

    assert caught.value.line_numbers == (7,)


def test_a_line_break_within_a_cell_does_not_make_two_numbers():
    with pytest.raises(InvalidNumbersError) as caught:
        sent(f'phone\n"{A}\n{B}"\n'.encode(), column="phone")

    assert caught.value.invalid_count == 1


@pytest.mark.parametrize("rest", [f"2,x,{B}\n", f'2,"x,{B}\n'])
def test_a_quotation_mark_that_is_left_open_loses_no_rows_in_silence(rest):
    with pytest.raises(NumberListError, match="quotation mark"):
        sent(f'id,name,phone\n1,"open,{A}\n{rest}'.encode(), column="phone", on_invalid="skip")


def test_empty_lines_above_the_header_are_counted():
    with pytest.raises(InvalidNumbersError) as caught:
        sent(f"\n \nid,phone\n1,{A}\n2,x\n".encode(), column="phone")

    assert caught.value.line_numbers == (5,)


def test_a_column_that_is_not_there_is_asked_for():
    with pytest.raises(NumberColumnError, match="no column 'phone'"):
        sent(f"{A}\n{B}\n".encode(), column="phone")


def test_a_column_that_is_there_twice_is_not_guessed_at():
    with pytest.raises(NumberColumnError, match="2 columns 'phone'"):
        sent(f"phone,name,phone\n{A},x,{B}\n".encode(), column="phone")
    twice = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([A]), pa.array([B])], names=["phone", "phone"]), twice)
    with pytest.raises(NumberColumnError, match="2 columns 'phone'"):
        sent(twice.getvalue(), column="phone")


def test_a_csv_file_that_cannot_be_read_is_refused():
    with pytest.raises(NumberListError, match=r"line 3 .* quotation mark"):
        sent(b'id,phone\n1,+12025550101\n2,"' + b"x" * 200_000 + b"\n", column="phone")
    with pytest.raises(NumberEncodingError, match="Line 3 "):
        sent(f"name,phone\na,{A}\nMüller,{B}\n".encode("latin-1"), column="phone")


def parquet(**columns: list[object]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


def test_parquet_is_read_from_files_places_and_pipes(tmp_path):
    content = parquet(id=[1, 2, 3], phone=[A, None, B])
    (tmp_path / "numbers").write_bytes(content)

    for source in (tmp_path / "numbers", Place(content), Pipe(content)):
        assert sent(source, column="phone") == [A, B]


def test_a_single_parquet_column_needs_no_name_and_several_do():
    assert sent(parquet(phone=[A])) == [A]
    assert sent(parquet(phone=[905321234567]), default_region="TR") == [B]
    with pytest.raises(NumberColumnError, match="2 columns"):
        sent(parquet(a=[A], b=[A]))
    with pytest.raises(NumberColumnError, match="no column 'phone'"):
        sent(parquet(a=[A], b=[A]), column="phone")


def test_capitals_of_a_parquet_column_count_only_where_they_tell_two_apart():
    assert sent(parquet(Phone=[A], id=[1]), column="phone") == [A]
    assert sent(parquet(Phone=[A], phone=[B]), column="phone") == [B]


@pytest.mark.parametrize("values", [[[A, B]], [{"phone": A}]])
def test_a_parquet_column_of_several_values_a_row_is_refused(values):
    with pytest.raises(NumberColumnError, match="one value a row"):
        sent(parquet(phone=values))


def test_a_spreadsheet_is_told_from_a_text_of_another_encoding():
    with pytest.raises(NumberListError, match="a zip or a spreadsheet"):
        sent(spreadsheet(["phone"], [A]), column="phone")


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "rot13", "undefined"])
def test_what_is_no_text_encoding_is_refused(encoding):
    with pytest.raises(ValueError, match="is no text encoding"):
        sent(A.encode(), encoding=encoding)


def test_damaged_parquet_is_refused():
    with pytest.raises(NumberListError, match="Parquet"):
        sent(b"PAR1" + b"\0" * 99)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(NumberListError, match=r"pip install 'airflow-provider-checknumber\[parquet\]'"):
        sent(b"PAR1" + b"\0" * 99)


def test_values_may_be_handed_over_as_they_are():
    values = [A, None, (B, "x"), [C], float("nan"), pd.NA, A.encode()]

    assert sent(values) == [A, B, C]
    assert sent(iter(values)) == [A, B, C]


def test_rows_of_a_query_are_read_as_they_come():
    taken = []

    def rows() -> Iterator[tuple[str]]:
        for number in range(100_000):
            taken.append(number)
            yield (f"+90532{number:07d}",)

    with prepare_numbers(rows()) as prepared:
        assert prepared.count == len(taken) == 100_000


@pytest.mark.parametrize("value", [905321234567, 905321234567.0, Decimal(905321234567)])
def test_a_number_column_of_a_database_needs_a_region(value):
    assert sent([(value,)], default_region="TR") == [B]
    with pytest.raises(InvalidNumbersError):
        sent([(value,)])


@pytest.mark.parametrize("value", [f"{A}\n{B}", f"{A}\r{B}", "\ud800", f"{A}\0", object(), b"\xff", True, {}])
def test_a_strange_value_is_one_bad_line_or_no_text(value):
    with pytest.raises((InvalidNumbersError, NumberEncodingError)) as caught:
        sent([A, value])

    assert "2" in str(caught.value)
    assert B not in str(caught.value)


def test_a_string_is_a_path_and_never_a_number():
    with pytest.raises(NumberListError, match="There is no number file"):
        sent(A)
    with pytest.raises(TypeError):
        sent(bytearray(A.encode()))


def test_the_stream_of_the_caller_stays_open(tmp_path):
    stream = io.BytesIO(f"{A}\n".encode())

    sent(stream)

    assert not stream.closed


def test_a_path_that_is_opened_is_closed(tmp_path, monkeypatch):
    file = tmp_path / "numbers.txt"
    file.write_text(f"{A}\n")
    opened = []
    real_open = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *a, **k: opened.append(real_open(self, *a, **k)) or opened[-1]
    )

    sent(file)

    assert opened
    assert all(stream.closed for stream in opened)
