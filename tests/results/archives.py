"""Makes result archives of every shape for the tests, and reads them back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl

from airflow_provider_checknumber.results import open_results

A, B, C = "+12025550101", "+905321234567", "+447400123456"


def zipped(*members: tuple[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of ``(name, content)`` pairs."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


def spreadsheet(*rows: Sequence[object], sheets: Sequence[Sequence[Sequence[object]]] = ()) -> bytes:
    """A workbook with one sheet of ``rows``, or with several."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for content in sheets or [rows]:
        sheet = book.create_sheet()
        for row in content:
            sheet.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


class Read:
    """What came of reading an archive."""

    def __init__(self, table: Any, *, max_rows: int, on_bad_row: str) -> None:
        self.member = table.member
        self.names = [column.name for column in table.columns]
        self.kinds = [column.kind for column in table.columns]
        self.batches = list(table.batches(max_rows, on_bad_row=on_bad_row))
        self.rows = [row for batch in self.batches for row in zip(*batch.columns, strict=True)]
        self.lines = [batch.line(index) for batch in self.batches for index in range(len(batch))]
        self.counts = table.counts


def read(
    content: bytes, path: Path, *, max_rows: int = 65_536, on_bad_row: str = "fail", **arguments: Any
) -> Read:
    """Write ``content`` to ``path`` and read it as a result."""
    path.write_bytes(content)
    with open_results(path, **arguments) as table:
        return Read(table, max_rows=max_rows, on_bad_row=on_bad_row)
