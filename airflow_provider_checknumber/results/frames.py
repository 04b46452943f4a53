"""A result as pandas frames, for those who do not load it into a database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_provider_checknumber.results.table import OnBadRow, ResultBatch, ResultTable

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {"number": "string", "text": "string", "boolean": "boolean"}


def iter_frames(
    table: ResultTable, *, chunk_rows: int = 65_536, on_bad_row: OnBadRow = "fail"
) -> Iterator[pd.DataFrame]:
    """
    Yield a result in frames of at most so many rows; memory does not grow with it.

    Numbers and texts are of pandas' ``string`` dtype, answers of ``boolean``; not determined and empty
    are ``pd.NA``. The index goes on from frame to frame.

    :param table: the open result.
    :param chunk_rows: most rows in a frame; many have fewer.
    :param on_bad_row: as for :meth:`ResultTable.batches`.
    :raises ResultError: as :meth:`ResultTable.batches` does.
    """
    start = 0
    for batch in table.batches(chunk_rows, on_bad_row=on_bad_row):
        yield _frame(table, batch, start)
        start += len(batch)


def read_frame(table: ResultTable, *, on_bad_row: OnBadRow = "fail") -> pd.DataFrame:
    """
    Return a whole result as one frame, with the dtypes of :func:`iter_frames`.

    :raises ResultError: as :meth:`ResultTable.batches` does.
    """
    import pandas as pd

    frames = list(iter_frames(table, on_bad_row=on_bad_row))
    if not frames:
        return _frame(table, ResultBatch(1, [[] for _ in table.columns]), 0)
    return pd.concat(frames, ignore_index=True)


def _frame(table: ResultTable, batch: ResultBatch, start: int) -> pd.DataFrame:
    # Imported where it is needed: Airflow parses DAG files often, and pandas takes its time.
    import pandas as pd

    columns = {
        column.name: pd.array(values, dtype=_DTYPES[column.kind])
        for column, values in zip(table.columns, batch.columns, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(start, start + len(batch)))
