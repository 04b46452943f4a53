"""Makes what comes next while the database works on what came before. Knows nothing of either."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")


@contextmanager
def made_ahead(items: Iterable[_T], *, depth: int) -> Iterator[Iterator[_T]]:
    """
    Iterate over ``items`` in a thread of its own, a few ahead of the caller.

    Reading, checking and writing out rows keeps one processor busy; a database keeps another, and its
    driver waits without Python's lock. Not for a driver that takes that lock for every row (SQLite's): the
    two would wait for each other, thousands of times a second.

    :param items: what the thread makes; an error in it reaches the caller as it is.
    :param depth: items that may wait for the caller, which bounds the memory that they take.
    :return: as a context manager, the items in their order. When the block ends, the thread has ended too.
    """
    made: queue.Queue[tuple[bool, _T | BaseException | None]] = queue.Queue(depth)
    abandoned = threading.Event()

    def put(more: bool, item: _T | BaseException | None) -> None:
        while not abandoned.is_set():
            try:
                made.put((more, item), timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                put(True, item)
                if abandoned.is_set():
                    return
        except BaseException as error:
            put(False, error)
        else:
            put(False, None)

    def take() -> Iterator[_T]:
        while True:
            more, item = made.get()
            if more:
                yield item  # type: ignore[misc]
            elif item is None:
                return
            else:
                raise item  # type: ignore[misc]

    maker = threading.Thread(target=make, name="checknumber-load", daemon=True)
    maker.start()
    try:
        yield take()
    finally:
        abandoned.set()
        maker.join()
