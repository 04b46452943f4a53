"""National and untidy writing, and what becomes of lines that are no numbers."""

from __future__ import annotations

import csv
import io

import pytest

from airflow_provider_checknumber.numbers import InvalidNumbersError, NumberListError, prepare_numbers
from airflow_provider_checknumber.numbers.normalise import Normaliser

A = "+905321234567"
B = "+905321234568"


def sent(text: str, **arguments: object) -> list[str]:
    with prepare_numbers(io.BytesIO(text.encode()), **arguments) as prepared:
        return prepared.path.read_text().splitlines()


@pytest.mark.parametrize(
    "written",
    [
        "0532 123 45 67",
        "532 123 45 67",
        "00 90 532 123 45 67",
        "+90 (532) 123-45-67",
        "+90 532 123 45 67",
        "905321234567",
        "(0532) 123.45.67",
        "\uff10\uff15\uff13\uff12\uff11\uff12\uff13\uff14\uff15\uff16\uff17",
        "٠٥٣٢١٢٣٤٥٦٧",
        "+90\u2011532\u20111234567",
    ],
)
def test_national_and_untidy_writing_becomes_e164(written):
    assert sent(f"{written}\n", default_region="TR") == [A]


def test_a_number_of_another_country_keeps_it():
    assert sent("+1 (202) 555-0101\n0044 7400 123456\n", default_region="TR") == [
        "+12025550101",
        "+447400123456",
    ]


def test_the_same_number_in_two_writings_is_sent_once():
    with prepare_numbers(io.BytesIO(f"0532 123 45 67\n{A}\n".encode()), default_region="TR") as prepared:
        assert (prepared.count, prepared.duplicates) == (1, 1)


def test_the_library_is_not_asked_about_lines_that_are_e164_already(monkeypatch):
    asked = []
    normalise = Normaliser.normalise

    def watched(self: Normaliser, text: str) -> str:
        asked.append(text)
        return normalise(self, text)

    monkeypatch.setattr(Normaliser, "normalise", watched)

    sent(f"phone\r\n{A} \r\n\r\n0532 123 45 68\r\n +12025550101\r\n", default_region="TR")

    assert asked == ["0532 123 45 68"]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("0532 123 45 6", "not a number in use"),
        ("0532", "too short"),
        ("+999 123 45 67 89", "unknown country code"),
        ("0532 123 45 67 0532 123 45 68", "too long"),
        ("call 0532 123 45 67", "letters"),
        ("0532-FLOWERS", "letters"),
        ("905321234567.0", "decimal"),
        ("9.05321E+11", "letters"),
        ("-", "not a number"),
    ],
)
def test_what_cannot_be_made_a_number_is_refused_with_the_reason(tmp_path, written, reason):
    rejects = tmp_path / "rejects.csv"

    assert sent(f"{A}\n{written}\n", default_region="TR", on_invalid="skip", rejects=str(rejects)) == [A]

    [row] = csv.DictReader(rejects.open(encoding="utf-8"))
    assert reason in row["reason"]


def test_skipped_lines_are_counted():
    with prepare_numbers(io.BytesIO(f"{A}\nx\n\ny\n{A}\n".encode()), on_invalid="skip") as prepared:
        assert (prepared.lines_read, prepared.count, prepared.invalid, prepared.duplicates) == (4, 1, 2, 1)


def test_rejects_are_written_with_line_reason_and_value(tmp_path):
    rejects = tmp_path / "rejects.csv"

    sent(f'number\n{A}\n"a, b"\n\nÖzel\n', on_invalid="skip", rejects=rejects)

    assert list(csv.reader(rejects.open(encoding="utf-8", newline=""))) == [
        ["line", "reason", "value"],
        ["3", "not an E.164 number", '"a, b"'],
        ["5", "not an E.164 number", "Özel"],
    ]


def test_rejects_of_an_earlier_run_do_not_stay(tmp_path):
    rejects = tmp_path / "rejects.csv"
    rejects.write_text("line,reason,value\n7,too short,+1\n")

    sent(f"{A}\n", on_invalid="skip", rejects=rejects)

    assert rejects.read_text() == "line,reason,value\n"


def test_a_list_that_fails_tells_all_its_bad_lines_too(tmp_path):
    rejects = tmp_path / "rejects.csv"

    with pytest.raises(InvalidNumbersError):
        sent("1\n" * 40, rejects=rejects)

    assert len(rejects.read_text().splitlines()) == 41


def test_a_rejects_file_that_cannot_be_written_stops_before_anything_is_read(tmp_path):
    with pytest.raises(NumberListError, match=r"rejects file .* cannot be written"):
        sent(f"{A}\n", rejects=tmp_path / "nowhere" / "rejects.csv")


def test_e_mail_addresses_are_kept_on_request():
    text = f"email\nb@example.com\n{A}\na@example.com\nb@example.com\n+90 532\n"

    assert sent(text, on_invalid="keep") == ["b@example.com", A, "a@example.com", "+90 532"]


def test_an_address_in_the_first_line_is_no_heading():
    assert sent("someone@example.com\n", on_invalid="keep") == ["someone@example.com"]


def test_numbers_are_still_made_e164_where_others_are_kept():
    assert sent("0532 123 45 67\na@example.com\n", on_invalid="keep", default_region="TR") == [
        A,
        "a@example.com",
    ]


def test_kept_values_count_for_the_fingerprint_whatever_their_order():
    def fingerprint(*values: str) -> str:
        with prepare_numbers(values, on_invalid="keep") as prepared:
            return prepared.fingerprint

    assert fingerprint("a@example.com", A, "b@example.com") == fingerprint(
        A, "b@example.com", "a@example.com"
    )
    assert fingerprint("a@example.com", A) != fingerprint("b@example.com", A)
