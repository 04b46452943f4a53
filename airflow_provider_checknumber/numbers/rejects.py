"""
The rejects file: each refused line with its number, the reason and what it held.

It holds personal data, as the list does, and is written only where the user says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_checknumber.numbers.errors import NumberListError, system_reason
from airflow_provider_checknumber.numbers.sources import Opener

HEADER = ("line", "reason", "value")


class RejectsWriter:
    """
    Writes refused lines as CSV.

    :param stream: a text stream opened with ``newline=""``.
    """

    def __init__(self, stream: io.TextIOBase) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        self._rows.writerow(HEADER)

    def add(self, line: int, reason: str, value: str) -> None:
        """Write one refused line."""
        self._rows.writerow((line, reason, value))


@contextmanager
def open_rejects(target: str | Opener | None) -> Iterator[RejectsWriter | None]:
    """
    Open a rejects file, made or emptied, so that it never shows an earlier run's lines.

    :param target: a path or an opener, or None for no such file.
    :raises NumberListError: when it cannot be written.
    """
    if target is None:
        yield None
        return
    opener: Any = Path(target) if isinstance(target, str) else target
    try:
        binary = opener.open("wb")
    except OSError as error:
        raise NumberListError(
            f"The rejects file {target} cannot be written ({system_reason(error)})."
        ) from None
    with io.TextIOWrapper(binary, encoding="utf-8", newline="") as stream:
        yield RejectsWriter(stream)
