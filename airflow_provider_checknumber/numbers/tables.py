"""
Numbers from a column of a table: CSV, and Parquet where pyarrow is installed.

Gives the same blocks of lines as the other sources.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from airflow_provider_checknumber.numbers.blocks import Block, encode_values
from airflow_provider_checknumber.numbers.errors import (
    NumberColumnError,
    NumberEncodingError,
    NumberListError,
)
from airflow_provider_checknumber.text import ByteStream

_DELIMITERS = ",;\t|"
# So few that the lists which the csv module makes of rows do not set off Python's search for garbage.
_CSV_ROWS_PER_BLOCK = 512
_PARQUET_ROWS_PER_BLOCK = 16_384


def csv_blocks(text: Iterator[bytes], name: str, column: str) -> Iterator[Block]:
    """
    Yield the cells of one column of a CSV file.

    :param text: the file as blocks of UTF-8 lines.
    :param name: what a message calls the file.
    :param column: the column's name in the header, the first line that is not empty; capitals count only
        where two columns differ in nothing else.
    :raises NumberColumnError: when the header has no such column, or several.
    :raises NumberListError: when a line cannot be read as CSV.
    """
    lines = _decoded_lines(text, name)
    header, line = "", 1
    while not header.strip() and (header := next(lines, "")):
        line += 1
    delimiter, index = _find_column(header, column, name)
    # Strict, for a mark that is never closed would swallow the rows after it in silence.
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    above = line
    try:
        while batch := list(islice(rows, _CSV_ROWS_PER_BLOCK)):
            cells = [row[index] if len(row) > index else "" for row in batch]
            after = above + rows.line_num
            yield Block(encode_values(cells), _line_numbers(batch, line, after))
            line = after
    except csv.Error:
        raise NumberListError(
            f"A row of {name} that ends in line {above + rows.line_num - 1} cannot be read as CSV; "
            "is a quotation mark left open in it?"
        ) from None


def _line_numbers(rows: list[list[str]], first: int, after: int) -> range | list[int]:
    """Return the line that each row begins at, given the line after the last of them."""
    if after - first == len(rows):
        return range(first, after)
    numbers = []
    for row in rows:
        numbers.append(first)
        first += 1 + sum(cell.count("\n") for cell in row)
    return numbers


def _decoded_lines(text: Iterator[bytes], name: str) -> Iterator[str]:
    line = 1
    for data in text:
        try:
            block = data.decode()
        except UnicodeDecodeError as error:
            line += data.count(b"\n", 0, error.start)
            raise NumberEncodingError(
                f"Line {line} of {name} is not UTF-8; save the file as UTF-8 or name its encoding."
            ) from None
        lines = block.split("\n")
        lines.pop()
        line += len(lines)
        for text_line in lines:
            yield text_line + "\n"


def _find_column(header: str, column: str, name: str) -> tuple[str, int]:
    """Return the delimiter and the place of a column in a header line."""
    for fold in (str.strip, lambda cell: cell.strip().lower()):
        wanted = fold(column)
        for delimiter in _DELIMITERS:
            try:
                cells = [fold(cell) for cell in next(csv.reader([header], delimiter=delimiter), [])]
            except csv.Error:
                continue
            if wanted in cells:
                return delimiter, _only_index(cells, wanted, name)
    raise NumberColumnError(
        f"The first line of {name} names no column {column!r}; give the name as it stands in the file's header."
    )


def parquet_blocks(source: ByteStream, stream: Any, name: str, column: str | None) -> Iterator[Block]:
    """
    Yield the values of one column of a Parquet file.

    :param source: the whole file, from its first byte.
    :param stream: the stream behind it, which is read in place where it can seek.
    :param name: what a message calls the file.
    :param column: the column's name, as for CSV; not needed where the file has only one.
    :raises NumberColumnError: when there is no such column, or several, or it holds lists or the like.
    :raises NumberListError: when pyarrow is missing or cannot read the file.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise NumberListError(
            f"{name} is a Parquet file, which needs pyarrow: "
            "pip install 'airflow-provider-checknumber[parquet]'."
        ) from None
    with tempfile.TemporaryFile(prefix="checknumber-") as spool:
        if getattr(stream, "seekable", lambda: False)():
            stream.seek(0)
            seekable = stream
        else:
            shutil.copyfileobj(cast(Any, source), spool)  # it needs nothing but read
            spool.seek(0)
            seekable = spool
        try:
            parquet = pq.ParquetFile(seekable)
            field = parquet.schema_arrow.field(_column_index(parquet.schema_arrow.names, column, name))
            if pa.types.is_nested(field.type):
                raise NumberColumnError(
                    f"The column of {name} does not hold one value a row, but {field.type}."
                )
            line = 1
            for batch in parquet.iter_batches(_PARQUET_ROWS_PER_BLOCK, columns=[field.name]):
                values = batch.column(0).to_pylist()
                yield Block(encode_values(values), range(line, line + len(values)))
                line += len(values)
        except NumberListError:
            raise
        # Whatever a damaged file makes pyarrow stumble over, it is the file that is at fault.
        except Exception:
            raise NumberListError(f"{name} is damaged or no Parquet file that pyarrow can read.") from None


def _column_index(names: list[str], column: str | None, name: str) -> int:
    if column is None:
        if len(names) == 1:
            return 0
        raise NumberColumnError(f"{name} has {len(names)} columns; name the one that holds the numbers.")
    for fold in (str, str.lower):
        if fold(column) in (folded := list(map(fold, names))):
            return _only_index(folded, fold(column), name)
    raise NumberColumnError(f"{name} has no column {column!r}.")


def _only_index(names: list[str], column: str, name: str) -> int:
    if names.count(column) > 1:
        raise NumberColumnError(
            f"{name} has {names.count(column)} columns {column!r}; give one of them another name."
        )
    return names.index(column)
