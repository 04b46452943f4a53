"""Whole deployments of Airflow, and what no part of them may keep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.support.postgres import Postgres


class Secrets:
    """What nobody may find in a log, a record or on a disk: numbers, keys and result links.

    :param numbers: in E.164 form; they are found without their ``+`` too.
    :param keys: of the services.
    """

    def __init__(self, numbers: Iterable[str], keys: Iterable[str]) -> None:
        self._digits = {number.removeprefix("+") for number in numbers}
        self._words = [*keys, "X-Amz-Signature"]

    def found_in(self, text: str) -> bool:
        return any(word in text for word in self._words) or not self._digits.isdisjoint(
            re.findall(r"\d{8,}", text)
        )

    def files_below(self, folder: Path) -> list[str]:
        """Return the files below a folder that tell any of them."""
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert files
        return [str(file) for file in files if self.found_in(file.read_text(errors="replace"))]

    def tables_of(self, database: Postgres) -> list[str]:
        """Return the tables of a database that tell any of them."""
        tables = database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert tables
        return [
            table
            for (table,) in tables
            if any(self.found_in(row) for (row,) in database.query(f'SELECT t::text FROM "{table}" t'))
        ]
