"""Making things in another thread: order, errors, and an end in every case."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from airflow_provider_checknumber.warehouse.ahead import made_ahead


def makers() -> int:
    return sum(thread.name == "checknumber-load" for thread in threading.enumerate())


def test_items_come_in_their_order() -> None:
    with made_ahead(range(1000), depth=3) as items:
        assert list(items) == list(range(1000))
    assert makers() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    taken: list[int] = []
    with pytest.raises(KeyError, match="two"), made_ahead(failing(), depth=3) as items:
        taken.extend(items)
    assert taken == [1]
    assert makers() == 0


def test_a_caller_that_fails_stops_the_making() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    def take_ten() -> None:
        with made_ahead(endless(), depth=3) as items:
            for item in items:
                if item == 10:
                    raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        take_ten()
    assert len(made) <= 10 + 1 + 3 + 2  # Those that were taken, waiting, and being made.
    assert makers() == 0
