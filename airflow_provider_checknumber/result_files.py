"""
A result as one file for other systems to load: CSV, JSON lines or Parquet, written in constant memory.

The rows are those that a load writes to a table, with the same columns. Not for where the file goes
(``object_storage``), nor for reading results (``results``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import repeat
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Literal

from airflow_provider_checknumber.results import MissingExtraError
from airflow_provider_checknumber.warehouse.columns import Batch, Kind, Layout, LoadColumn

FileFormat = Literal["csv", "jsonl", "parquet"]

_BUFFER = 1 << 20
#: Rows of a row group: enough for a column of it to be read at once, few enough to hold.
_ROW_GROUP = 1 << 18

_CSV_WORDS = {True: "true", False: "false"}
_JSON_WORDS = {True: "true", False: "false", None: "null"}


def write_file(target: Path, file_format: FileFormat, *, layout: Layout, batches: Iterable[Batch]) -> None:
    """
    Write rows to a new file.

    In CSV and JSON lines a moment is written as ``2025-11-21 15:58:08.916446+00:00``, yes and no as
    ``true`` and ``false``, and what is not determined as an empty cell or ``null``.

    :param target: the file.
    :param file_format: ``csv`` (UTF-8, one line of names, commas, quotation marks where needed),
        ``jsonl`` (one object a line) or ``parquet`` (Snappy).
    :param layout: the columns, in the order of the file.
    :param batches: the rows, in columns, in the order of the result.
    :raises MissingExtraError: Parquet needs pyarrow, which is not installed.
    """
    picked = (layout.pick(batch) for batch in batches)
    write = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}[file_format]
    write(target, layout, picked)


def _write_csv(target: Path, layout: Layout, batches: Iterator[Batch]) -> None:
    constants = [repeat(_text(column.constant)) for column in layout.fixed]
    with target.open("w", encoding="utf-8", newline="", buffering=_BUFFER) as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(column.name for column in layout.all)
        for batch in batches:
            cells = [
                list(map(_CSV_WORDS.get, values)) if column.kind == "boolean" else values
                for column, values in zip(layout.varying, batch, strict=True)
            ]
            rows.writerows(zip(*cells, *constants, strict=False))


def _write_jsonl(target: Path, layout: Layout, batches: Iterator[Batch]) -> None:
    # One template for all rows: the names and what is the same on every row are encoded once.
    varying = [f"{_json_text(column.name)}: %s" for column in layout.varying]
    fixed = [f"{_json_text(c.name)}: {encode_basestring(_text(c.constant))}" for c in layout.fixed]
    row = "{" + ", ".join([*varying, *(text.replace("%", "%%") for text in fixed)]) + "}\n"
    with target.open("w", encoding="utf-8", newline="", buffering=_BUFFER) as out:
        for batch in batches:
            cells = [
                _json_cells(column, values) for column, values in zip(layout.varying, batch, strict=True)
            ]
            out.writelines(map(row.__mod__, zip(*cells, strict=True)))


def _json_cells(column: LoadColumn, values: list[Any]) -> Iterable[str]:
    if column.kind == "boolean":
        return map(_JSON_WORDS.__getitem__, values)
    if column.kind == "number":
        return map(encode_basestring, values)
    return ["null" if value is None else encode_basestring(value) for value in values]


def _json_text(name: str) -> str:
    return encode_basestring(name).replace("%", "%%")


def _text(constant: Any) -> str:
    """Return a value that is the same on every row as text: a moment in the form that all loaders take."""
    if isinstance(constant, datetime):
        return constant.isoformat(sep=" ", timespec="microseconds")
    return str(constant)


def _write_parquet(target: Path, layout: Layout, batches: Iterator[Batch]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            "Parquet needs pyarrow: pip install 'airflow-provider-checknumber[parquet]' on the workers, "
            "or choose file_format='jsonl'."
        ) from None
    types: dict[Kind, Any] = {
        "number": pa.string(),
        "boolean": pa.bool_(),
        "text": pa.string(),
        "name": pa.string(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in layout.all])
    constants = [pa.scalar(column.constant, types[column.kind]) for column in layout.fixed]

    def arrow(batch: Batch) -> Any:
        varying = [
            pa.array(values, types[column.kind]) for column, values in zip(layout.varying, batch, strict=True)
        ]
        same = [pa.repeat(constant, len(batch[0])) for constant in constants]
        return pa.record_batch([*varying, *same], schema=schema)

    # A dictionary of a column that repeats nothing would be made for nothing.
    repeating = [column.name for column in layout.all if column.kind != "number"]
    with (
        pq.ParquetWriter(target, schema, use_dictionary=repeating) as writer,
        # Encoding and compressing do without Python's lock, so the next rows are read meanwhile.
        ThreadPoolExecutor(1) as thread,
    ):
        writing: Future[None] | None = None
        for group in _row_groups(map(arrow, batches)):
            if writing is not None:
                writing.result()
            writing = thread.submit(writer.write_table, pa.Table.from_batches(group), _ROW_GROUP)
        if writing is not None:
            writing.result()


def _row_groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if sum(map(len, group)) >= _ROW_GROUP:
            yield group
            group = []
    if group:
        yield group
