"""Result archives out: download them, find the table, stream its rows. Not for loading them anywhere."""

from __future__ import annotations

from airflow_provider_checknumber.results.archive import ArchiveLimits
from airflow_provider_checknumber.results.columns import ColumnKind, ResultColumn
from airflow_provider_checknumber.results.download import download_archive
from airflow_provider_checknumber.results.errors import (
    ArchiveLimitError,
    MalformedRowError,
    MissingExtraError,
    NoNumberColumnError,
    NoTableError,
    NotAnArchiveError,
    ResultError,
    ResultLinkExpiredError,
    ResultLinkRefusedError,
    UnreadableArchiveError,
    UnsafeArchiveError,
)
from airflow_provider_checknumber.results.frames import iter_frames, read_frame
from airflow_provider_checknumber.results.reading import open_results
from airflow_provider_checknumber.results.table import OnBadRow, ResultBatch, ResultCounts, ResultTable

__all__ = [
    "ArchiveLimitError",
    "ArchiveLimits",
    "ColumnKind",
    "MalformedRowError",
    "MissingExtraError",
    "NoNumberColumnError",
    "NoTableError",
    "NotAnArchiveError",
    "OnBadRow",
    "ResultBatch",
    "ResultColumn",
    "ResultCounts",
    "ResultError",
    "ResultLinkExpiredError",
    "ResultLinkRefusedError",
    "ResultTable",
    "UnreadableArchiveError",
    "UnsafeArchiveError",
    "download_archive",
    "iter_frames",
    "open_results",
    "read_frame",
]
