"""Numbers that the demo makes up are valid, different, and nobody's."""

from __future__ import annotations

import re
from itertools import islice

from airflow_provider_checknumber.sandbox.demo_numbers import made_up_numbers


def test_numbers_are_valid_and_different():
    numbers = list(made_up_numbers(200_000))

    assert len(set(numbers)) == 200_000
    assert all(re.fullmatch(r"\+[1-9]\d{1,14}", number) for number in numbers)


def test_numbers_are_from_ranges_for_fiction_or_from_no_country():
    nobodys = re.compile(r"\+447700900\d{3}|\+3319900\d{4}|\+1[2-9][0-8]\d55501\d\d|\+999\d{11}")

    assert all(nobodys.fullmatch(number) for number in made_up_numbers(200_000))


def test_a_shorter_list_is_the_beginning_of_a_longer_one():
    assert list(made_up_numbers(10)) == list(islice(made_up_numbers(20_000), 10))
