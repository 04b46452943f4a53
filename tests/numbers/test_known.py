"""Known numbers are left out of a list, whatever order and however many they come in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_checknumber.numbers import leave_out, prepare_numbers

ADDRESS = "somebody@example.org"
numbers_of = st.lists(st.integers(10, 10**15 - 1).map("+{}".format), max_size=60)


def left(tmp_path: Path, numbers: list[str], known: list[list[object]], *, keep: bool = False) -> list[str]:
    with prepare_numbers(numbers, on_invalid="keep" if keep else "fail") as prepared:
        rest = leave_out(prepared, known, tmp_path, only_e164=not keep)
        lines = rest.path.read_text().splitlines()
        assert rest.count == len(lines)
        assert rest.size == rest.path.stat().st_size
        if lines:
            with prepare_numbers(lines, on_invalid="keep") as again:
                assert again.fingerprint == rest.fingerprint
        return lines


def test_the_others_stay_in_their_order(tmp_path):
    numbers = ["+905321234567", "+12025550101", "+12025550100", "+447911123456"]

    assert left(tmp_path, numbers, [["+12025550101"], [("+447911123456", "x"), ("+33123456789", "y")]]) == [
        "+905321234567",
        "+12025550100",
    ]


@pytest.mark.parametrize("known", [[], [[]], [["+33123456789"]], [[None, "", "n/a"]]])
def test_nothing_known_leaves_the_very_file(tmp_path, known):
    with prepare_numbers(["+12025550100"]) as prepared:
        assert leave_out(prepared, known, tmp_path) is prepared


def test_all_known_leaves_none(tmp_path):
    assert left(tmp_path, ["+12025550100", "+12025550101"], [["+12025550100", "+12025550101"] * 3]) == []


def test_addresses_are_known_too(tmp_path):
    assert left(tmp_path, ["+12025550100", ADDRESS, "b@example.org"], [[ADDRESS]], keep=True) == [
        "+12025550100",
        "b@example.org",
    ]


@given(numbers=numbers_of.filter(bool), known=st.lists(numbers_of, max_size=4), data=st.data())
def test_what_is_left_is_the_difference(tmp_path_factory, numbers, known, data):
    some = data.draw(st.lists(st.sampled_from(numbers)))
    without = set().union(*known, some)

    assert left(tmp_path_factory.mktemp("known"), numbers, [*known, some]) == [
        number for number in dict.fromkeys(numbers) if number not in without
    ]
