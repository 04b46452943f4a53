"""Loads many rows in a process of its own, which a test kills: ``python -m tests.warehouse.big_load``.

Says ``half`` on standard output when half of the rows have been handed to the loader, ``all`` when all have,
and ``done`` after the commit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from airflow_provider_checknumber.results import ResultColumn
from airflow_provider_checknumber.warehouse import Check, load

_BATCH = 10_000


def rows(count: int) -> Iterator[list[list[Any]]]:
    """That many rows, telling how far they are."""
    for start in range(0, count, _BATCH):
        if start == count // 2:
            print("half", flush=True)
        numbers = [f"+9053{place:08d}" for place in range(start, start + _BATCH)]
        yield [numbers, [True, False] * (_BATCH // 2)]
    print("all", flush=True)


def hook(kind: str) -> Any:
    """The hook of the connection ``warehouse``, which is of this kind."""
    if kind == "sqlite":
        from airflow.providers.sqlite.hooks.sqlite import SqliteHook

        return SqliteHook("warehouse")
    if kind == "duckdb":
        from airflow.providers.duckdb.hooks.duckdb import DuckDBHook

        return DuckDBHook(duckdb_conn_id="warehouse")
    if kind == "mariadb":
        from airflow.providers.mysql.hooks.mysql import MySqlHook

        return MySqlHook(mysql_conn_id="warehouse", local_infile=True)
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    return PostgresHook("warehouse")


if __name__ == "__main__":
    kind, disposition, count = sys.argv[1:]
    load(
        hook(kind),
        table="checks",
        result_columns=[ResultColumn("number", "number"), ResultColumn("twitter", "boolean")],
        batches=rows(int(count)),
        check=Check(
            task_type="Twitter", checknumber_task_id="big", checked_at=datetime(2025, 11, 21, tzinfo=UTC)
        ),
        create_table=True,
        write_disposition=disposition,  # type: ignore[arg-type]
        expected_rows=int(count),
    )
    print("done", flush=True)
