"""What a number list may look like, and what is sent of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import weakref
from pathlib import Path

import pytest

from airflow_provider_checknumber.client import CheckNumberPermanentError
from airflow_provider_checknumber.numbers import (
    EmptyNumberListError,
    InvalidNumbersError,
    NumberEncodingError,
    NumberFileNotFoundError,
    NumberListError,
    prepare_numbers,
)
from airflow_provider_checknumber.numbers import prepare as prepare_module
from airflow_provider_checknumber.text import BLOCK_SIZE

A, B, C = "+12025550101", "+905321234567", "+447400123456"


def sent(source: object, **arguments: object) -> list[str]:
    """The lines of the file that would be sent."""
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    with prepare_numbers(source, **arguments) as prepared:
        lines = prepared.path.read_bytes().decode().splitlines()
        assert prepared.count == len(lines)
        assert prepared.size == prepared.path.stat().st_size
        return lines


def test_a_plain_list_is_sent_as_it_is(tmp_path):
    file = tmp_path / "numbers.txt"
    file.write_text(f"{A}\n{B}\n")

    for source in (file, str(file), file.open("rb")):
        with prepare_numbers(source) as prepared:
            assert prepared.path.read_bytes() == file.read_bytes()
            assert (prepared.count, prepared.size, prepared.duplicates) == (2, 27, 0)


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}",
        f"{A}\r\n{B}\r\n",
        f"{A}\r{B}\r",
        f"\ufeff{A}\n{B}\n",
        f"\n\n{A}\n\n  \n{B}\n\n",
        f"  {A}\t \n{B}  \n",
        f"\u200e{A}\u202c\n\u00a0{B}\n",
        f"phone number\n{A}\n{B}\n",
        f"\n\nNuméro\r\n{A}\r\n{B}\r\n",
        f'"number"\n{A}\n{B}\n',
        f"Phone_Number (E.164)\n{A}\n{B}\n",
    ],
    ids=[
        "no newline at the end",
        "windows",
        "old mac",
        "byte order mark",
        "empty lines",
        "spaces",
        "invisible marks",
        "heading",
        "heading below empty lines",
        "quoted heading",
        "heading with a standard's name",
    ],
)
def test_untidy_files_are_taken_as_they_come(text):
    assert sent(text.encode()) == [A, B]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_known_by_their_byte_order_mark(encoding):
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"

    assert sent(f"{mark}{A}\r\n{B}\r\n".encode(encoding)) == [A, B]


def test_another_encoding_can_be_named():
    assert sent(f"Müşteri\n{A}\n".encode("cp1254"), encoding="cp1254") == [A]


def test_gzip_is_known_by_its_first_bytes():
    assert sent(gzip.compress(f"{A}\n".encode()) + gzip.compress(f"{B}\n".encode())) == [A, B]


@pytest.mark.parametrize("line", ["hello", "not-a-number", "N/A", "number +90", "0532", "---"])
def test_a_first_line_that_is_no_known_heading_is_not_dropped(line):
    with pytest.raises(InvalidNumbersError) as caught:
        sent(f"{line}\n{A}\n".encode())

    assert caught.value.line_numbers == (1,)


def test_only_the_first_line_can_be_a_heading():
    with pytest.raises(InvalidNumbersError) as caught:
        sent(f"phone\nphone\n{A}\n".encode())

    assert caught.value.line_numbers == (2,)


def test_repeated_numbers_are_sent_once_where_they_first_stood():
    text = f"{B}\n{A}\n{B}\n{C}\n{A} \n"

    with prepare_numbers(io.BytesIO(text.encode())) as prepared:
        assert prepared.path.read_text() == f"{B}\n{A}\n{C}\n"
        assert (prepared.lines_read, prepared.count, prepared.duplicates) == (5, 3, 2)


def test_a_number_that_comes_again_much_later_is_sent_once_too():
    numbers = [f"+90532{number:07d}" for number in range(25_000)]
    assert len("\n".join(numbers)) > BLOCK_SIZE

    assert sent(numbers + numbers[::-1] + numbers[:9]) == numbers


def test_the_fingerprint_is_of_the_numbers_and_not_of_their_order():
    def fingerprint(*numbers: str) -> str:
        with prepare_numbers(numbers) as prepared:
            return prepared.fingerprint

    assert fingerprint(A, B, C) == fingerprint(C, A, B) == fingerprint(C, C, A, B, A)
    assert len({fingerprint(A, B), fingerprint(A, C), fingerprint(A), fingerprint(A, B, C)}) == 4


def test_the_fingerprint_stays_the_same_from_release_to_release():
    """It is on record while a task waits for its retry, perhaps across an upgrade."""
    with prepare_numbers([A, B]) as prepared:
        expected = hashlib.sha256(struct.pack("<2q", 12025550101, 905321234567))
        assert prepared.fingerprint == expected.hexdigest()


def test_files_are_gone_afterwards():
    with prepare_numbers([A, B, C], batch_size=1) as prepared:
        files = [prepared.path, *(batch.path for batch in prepared.batches)]
        assert all(file.exists() for file in files)

    assert not any(file.exists() or file.parent.exists() for file in files)


@pytest.mark.parametrize(
    "line",
    ["12025550101", "+02025550101", "+1", "+1234567890123456", "+1202555O101", "+1 202 555 0101", "n/a", "+"],
)
def test_a_line_that_is_no_e164_fails_the_list_by_its_number_and_without_its_text(line):
    with pytest.raises(InvalidNumbersError) as caught:
        sent(f"{A}\n{line}\n{B}\n{line}\n".encode())

    assert (caught.value.line_numbers, caught.value.invalid_count) == ((2, 4), 2)
    assert "2 of 4 lines" in str(caught.value)
    assert "(line 2, 4)" in str(caught.value)
    assert line not in str(caught.value).replace("E.164 numbers (+", "").replace("+ ", "")
    assert isinstance(caught.value, CheckNumberPermanentError)


def test_of_many_invalid_lines_the_first_few_are_named_and_all_counted():
    with pytest.raises(InvalidNumbersError) as caught:
        sent(b"0\n" * 5_000)

    assert caught.value.line_numbers == tuple(range(1, 11))
    assert caught.value.invalid_count == 5_000
    assert "10, …" in str(caught.value)


def test_a_line_end_that_comes_in_two_pieces_is_one():
    class Dripping(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            return super().read(1)

    with pytest.raises(InvalidNumbersError) as caught:
        sent(Dripping(f"{A}\r\n{B}\r\nx\r\n".encode()))

    assert caught.value.line_numbers == (3,)


@pytest.mark.parametrize("content", [b"", b"\n\r\n \n", b"number\n", b"\xef\xbb\xbf"])
def test_an_empty_list_is_refused(content):
    with pytest.raises(EmptyNumberListError, match="holds no number"):
        sent(content)


def test_a_list_of_which_nothing_is_left_is_refused():
    with pytest.raises(EmptyNumberListError, match="none of its 2 lines"):
        sent(b"1\n2\n", on_invalid="skip")


@pytest.mark.parametrize(
    "content", [f"{A}\nMüller\n".encode("latin-1"), f"{A}\n\0\n".encode(), A.encode("utf-16-le")]
)
def test_a_list_in_a_wrong_encoding_is_refused(content):
    with pytest.raises(NumberEncodingError, match=r"Line [12] "):
        sent(content)


def test_a_list_that_its_byte_order_mark_lies_about_is_refused():
    with pytest.raises(NumberEncodingError, match="expected encoding"):
        sent(b"\xff\xfe" + b"\x00\xd8\x41\x00\x0a\x00")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NumberFileNotFoundError, match=r"nowhere\.txt"):
        sent(tmp_path / "nowhere.txt")


def test_a_folder_is_no_list(tmp_path):
    with pytest.raises(NumberListError, match="cannot be opened"):
        sent(tmp_path)


@pytest.mark.parametrize("damage", [slice(0, -9), slice(0, 20)])
def test_damaged_gzip_is_refused(damage):
    with pytest.raises(NumberListError, match="damaged or cut off"):
        sent(gzip.compress(f"{A}\n{B}\n{C}\n".encode())[damage])


def test_a_line_without_end_is_refused_before_it_fills_the_memory():
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"1" * size

    source = Endless()
    with pytest.raises(NumberListError, match="longer than any number"):
        sent(source)
    assert source.given < 8 << 20


def test_a_long_run_of_spaces_takes_no_longer_than_other_text():
    """Looked at from each of its spaces on, this would take hours."""
    with pytest.raises(InvalidNumbersError):
        sent(b"x" + b" " * 1_000_000 + b"x\n")


def test_arguments_that_make_no_sense_are_refused():
    for arguments in ({"on_invalid": "ignore"}, {"batch_size": 0}, {"batch_size": 5, "min_batch_size": 6}):
        with pytest.raises(ValueError, match=next(reversed(arguments))):
            sent([A], **arguments)
    with pytest.raises(ValueError, match="default_region"):
        sent([A], default_region="Turkey")
    with pytest.raises(TypeError, match="a path, a binary stream or an iterable"):
        sent(42)


def test_nothing_is_logged_of_a_number(caplog):
    caplog.set_level(0)

    sent(f"{A}\n0532\n".encode(), on_invalid="skip")

    assert "1 numbers to send, 0 repeated and 1 invalid" in caplog.text
    assert A[1:] not in caplog.text


def test_memory_for_keys_is_free_while_the_list_is_being_sent(monkeypatch):
    """An upload may take long, and the keys of ten million numbers have eighty megabytes."""
    key_sets = []

    class Watched(prepare_module.KeySet):
        def __init__(self, directory: Path) -> None:
            super().__init__(directory)
            key_sets.append(weakref.ref(self))

    monkeypatch.setattr(prepare_module, "KeySet", Watched)

    with prepare_numbers([A, B], batch_size=1):
        assert [key_set() for key_set in key_sets] == [None]
