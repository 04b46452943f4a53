"""The way into a downloaded result: from a file on disk to a table. Not for downloading it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from airflow_provider_checknumber.results.archive import ArchiveLimits, open_archive
from airflow_provider_checknumber.results.choice import choose_table
from airflow_provider_checknumber.results.table import ResultTable


@contextmanager
def open_results(
    path: str | os.PathLike[str],
    *,
    task_type: str | None = None,
    limits: ArchiveLimits | None = None,
) -> Iterator[ResultTable]:
    """
    Open a downloaded result: a zip, a spreadsheet, or a table in text.

    Columns that the services document as yes or no, that are named like the task type, or that hold
    nothing but answers at their beginning become booleans. Memory does not grow with the file.

    :param path: the downloaded file.
    :param task_type: the task's type, which names the column of answers in many products.
    :param limits: what reading it may cost, default: :class:`ArchiveLimits` as it is.
    :raises ResultError: or one of its kinds, here or while rows are read, when it cannot be used.
    """
    with ExitStack() as stack:
        archive = stack.enter_context(open_archive(Path(path), limits=limits or ArchiveLimits()))
        yield ResultTable(choose_table(archive, stack), task_type=task_type)
