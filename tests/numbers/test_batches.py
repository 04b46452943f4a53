"""Splitting a list into several tasks, and lists with more keys than are held in memory."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from airflow_provider_checknumber.numbers import distinct, prepare_numbers, repeats
from airflow_provider_checknumber.numbers import prepare as prepare_module
from airflow_provider_checknumber.numbers.batches import plan_batches
from airflow_provider_checknumber.numbers.distinct import KeySet, repeated_keys, unique_keys

NUMBERS = [f"+90532{number:07d}" for number in random.Random(1).sample(range(10**7), 2_000)]


@pytest.mark.parametrize(
    ("count", "batch_size", "min_batch_size", "sizes"),
    [
        (5, None, 1, [5]),
        (5, 10, 1, [5]),
        (10, 10, 1, [10]),
        (11, 10, 1, [10, 1]),
        (11, 10, 2, [11]),
        (21, 10, 2, [10, 11]),
        (25, 10, 5, [10, 10, 5]),
        (24, 10, 5, [10, 14]),
        (3, 10, 5, [3]),
        (20, 10, 10, [10, 10]),
        (29, 10, 10, [10, 19]),
    ],
)
def test_a_remainder_below_the_minimum_joins_the_batch_before_it(count, batch_size, min_batch_size, sizes):
    assert plan_batches(count, batch_size, min_batch_size) == sizes


def test_every_number_is_in_one_batch_and_in_the_order_of_the_list():
    with prepare_numbers(NUMBERS, batch_size=300, min_batch_size=250) as prepared:
        batches = [batch.path.read_text().splitlines() for batch in prepared.batches]

        assert [batch.count for batch in prepared.batches] == [300] * 5 + [500]
        assert [len(lines) for lines in batches] == [300] * 5 + [500]
        assert sorted(number for lines in batches for number in lines) == sorted(NUMBERS)
        place = {number: place for place, number in enumerate(NUMBERS)}
        assert all(lines == sorted(lines, key=place.__getitem__) for lines in batches)
        assert [batch.size for batch in prepared.batches] == [
            batch.path.stat().st_size for batch in prepared.batches
        ]


def test_batches_do_not_depend_on_the_order_of_the_list():
    """A query without ORDER BY answers in another order on a retry; what was billed must be known again."""

    def fingerprints(numbers: list[str]) -> list[str]:
        with prepare_numbers(numbers, batch_size=300) as prepared:
            return [batch.fingerprint for batch in prepared.batches]

    shuffled = random.Random(2).sample(NUMBERS, len(NUMBERS))
    assert fingerprints(NUMBERS) == fingerprints(shuffled + shuffled[:50])
    assert len(set(fingerprints(NUMBERS))) == 7


def test_the_fingerprint_of_a_batch_is_that_of_its_numbers_as_a_list():
    with prepare_numbers(NUMBERS, batch_size=1_500) as prepared:
        for batch in prepared.batches:
            with prepare_numbers(batch.path) as alone:
                assert alone.fingerprint == batch.fingerprint


def test_a_list_that_fits_is_one_batch_in_the_same_file():
    with prepare_numbers(NUMBERS, batch_size=10_000, min_batch_size=5_000) as prepared:
        assert [batch.path for batch in prepared.batches] == [prepared.path]


def test_more_batches_than_files_may_be_open():
    with prepare_numbers(NUMBERS, batch_size=1) as prepared:
        assert [batch.path.read_text() for batch in prepared.batches] == [
            f"{number}\n" for number in sorted(NUMBERS)
        ]


def test_kept_values_are_dealt_out_too():
    values = [f"{number}@example.com" for number in range(50)] + NUMBERS[:50]

    with prepare_numbers(values, on_invalid="keep", batch_size=30) as prepared:
        lines = [line for batch in prepared.batches for line in batch.path.read_text().splitlines()]

    assert sorted(lines) == sorted(values)


@pytest.mark.parametrize("run_length", [10, 64, 1_000])
@pytest.mark.parametrize("slice_length", [1, 20, 5_000])
def test_keys_beyond_what_is_held_in_memory_are_merged_from_disk(
    tmp_path, monkeypatch, run_length, slice_length
):
    monkeypatch.setattr(distinct, "SLICE_LENGTH", slice_length)
    keys = np.random.default_rng(3).integers(0, 300, 1_000)
    key_set = KeySet(tmp_path, run_length=run_length)
    for start in range(0, 1_000, 33):
        key_set.add(keys[start : start + 33])

    for _ in range(2):
        slices = list(key_set.slices())
        assert np.concatenate(slices).tolist() == sorted(keys.tolist())
        assert np.concatenate([unique_keys(part) for part in slices]).tolist() == sorted(set(keys.tolist()))
        repeated = [key for part in slices for key in repeated_keys(part).tolist()]
        assert repeated == [key for key in sorted(set(keys.tolist())) if (keys == key).sum() > 1]


def test_a_list_that_does_not_fit_into_memory_gives_the_same(monkeypatch):
    values = NUMBERS + NUMBERS[::3] + NUMBERS[::5]

    def prepared_as() -> tuple[object, ...]:
        with prepare_numbers(values, batch_size=700) as prepared:
            batches = [(batch.path.read_bytes(), batch.fingerprint) for batch in prepared.batches]
            return prepared.path.read_bytes(), prepared.fingerprint, prepared.duplicates, batches

    expected = prepared_as()
    assert expected[0].decode().splitlines() == NUMBERS

    class Small(KeySet):
        def __init__(self, directory: Path) -> None:
            super().__init__(directory, run_length=100)

    monkeypatch.setattr(prepare_module, "KeySet", Small)
    monkeypatch.setattr(repeats, "_KEYS_PER_PASS", 50)
    assert prepared_as() == expected
