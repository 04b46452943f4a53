"""Loads of hand-made results, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow_provider_checknumber.results import ResultColumn
from airflow_provider_checknumber.warehouse import Check, LoadReport, load
from tests.warehouse.databases import Warehouse

TWITTER = (ResultColumn("number", "number"), ResultColumn("twitter", "boolean"))
CHECKED_AT = datetime(2025, 11, 21, 8, 27, 9, 933_000, tzinfo=UTC)


def check(
    task: str = "d4g8o46p2jvh04o9uolg", *, task_type: str | None = "Twitter", at: datetime = CHECKED_AT
) -> Check:
    return Check(task_type=task_type, checknumber_task_id=task, checked_at=at)


def number(place: int) -> str:
    return f"+9053{place:08d}"


def answers(count: int, *, start: int = 0) -> list[tuple[str, bool | None]]:
    """Rows of a result, with every kind of answer."""
    return [(number(place), (True, False, None)[place % 3]) for place in range(start, start + count)]


def batches(rows: Sequence[Sequence[Any]], size: int = 400) -> Iterator[list[list[Any]]]:
    """The rows in columns, as ``results`` gives them."""
    for start in range(0, len(rows), size):
        yield [list(column) for column in zip(*rows[start : start + size], strict=True)]


def load_rows(
    warehouse: Warehouse,
    rows: Sequence[Sequence[Any]],
    *,
    table: str = "checks",
    columns: Sequence[ResultColumn] = TWITTER,
    task: str = "d4g8o46p2jvh04o9uolg",
    task_type: str | None = "Twitter",
    at: datetime = CHECKED_AT,
    create_table: bool = True,
    names: dict[str, str] | None = None,
    **options: Any,
) -> LoadReport:
    return load(
        warehouse.hook,
        table=table,
        result_columns=columns,
        batches=batches(rows),
        check=check(task, task_type=task_type, at=at),
        create_table=create_table,
        columns=names,
        **options,
    )
