"""What holds for every list of numbers, and for any bytes at all."""

from __future__ import annotations

import gzip
import io

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_checknumber.client import CheckNumberError
from airflow_provider_checknumber.numbers import prepare_numbers
from airflow_provider_checknumber.text import BLOCK_SIZE

e164 = st.integers(10, 10**15 - 1).map("+{}".format)
line_ends = st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\t\r\n"])
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])
arguments = st.fixed_dictionaries(
    {"on_invalid": st.sampled_from(["fail", "skip", "keep"])},
    optional={
        "column": st.sampled_from(["number", "a"]),
        "default_region": st.sampled_from(["TR", "US"]),
        "batch_size": st.integers(1, 5),
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    },
)


@given(st.lists(e164, min_size=1), line_ends, encodings, st.booleans(), st.booleans())
def test_any_list_of_numbers_is_sent_whole_without_repeats(numbers, line_end, encoding, heading, compressed):
    content = "".join(f"{number}{line_end}" for number in ["phone"] * heading + numbers).encode(encoding)
    source = io.BytesIO(gzip.compress(content) if compressed else content)

    with prepare_numbers(source, batch_size=3) as prepared:
        assert prepared.path.read_text().splitlines() == list(dict.fromkeys(numbers))
        assert prepared.count + prepared.duplicates == prepared.lines_read == len(numbers)
        batches = [batch.path.read_text().splitlines() for batch in prepared.batches]

    assert sorted(number for batch in batches for number in batch) == sorted(set(numbers))


@given(st.lists(st.one_of(e164, st.text(), st.none(), st.integers(), st.tuples(e164)), min_size=1), arguments)
def test_any_values_end_in_a_list_or_in_an_error_of_the_provider(values, arguments):
    arguments.pop("column", None)
    try:
        with prepare_numbers(values, **arguments) as prepared:
            lines = prepared.path.read_bytes().split(b"\n")
    except CheckNumberError:
        return

    assert lines.pop() == b""
    assert len(lines) == len(set(lines)) == prepared.count
    assert b"" not in lines


@given(st.binary(), arguments)
def test_any_bytes_end_in_a_list_or_in_an_error_of_the_provider(content, arguments):
    try:
        with prepare_numbers(io.BytesIO(content), **arguments) as prepared:
            assert prepared.path.read_bytes().count(b"\n") == prepared.count > 0
    except CheckNumberError:
        pass


@given(st.integers(-3, 3), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_lines_that_lie_across_two_blocks_stay_whole(shift, line_end):
    filler = b"+12025550101" + line_end
    content = filler * (BLOCK_SIZE // len(filler) - 1)
    content += b" " * (BLOCK_SIZE - len(content) - 8 + shift) + b"+905321234567" + line_end + b"+447400123456"

    with prepare_numbers(io.BytesIO(content)) as prepared:
        assert prepared.path.read_text().split() == ["+12025550101", "+905321234567", "+447400123456"]
