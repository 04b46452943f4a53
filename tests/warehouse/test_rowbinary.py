"""Rows of binary COPY: they read back as the values, and PostgreSQL reads from them what it reads from text."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given

from airflow_provider_checknumber.results import ResultColumn
from airflow_provider_checknumber.warehouse.columns import LoadColumn
from airflow_provider_checknumber.warehouse.rowbinary import RowBinary
from tests.support.postgres import Postgres
from tests.warehouse.databases import postgres
from tests.warehouse.loads import TWITTER, check, load_rows, number
from tests.warehouse.test_rowtext import batches

FIXED = [
    LoadColumn(role="task_type", name="task_type", kind="name", constant="größe"),
    LoadColumn(role="checked_at", name="checked_at", kind="timestamp", constant=check().checked_at),
]


def read_back(data: bytes) -> list[list[bytes | None]]:
    """The fields of binary rows, as PostgreSQL's documentation lays them out."""
    assert data[:19] == b"PGCOPY\n\xff\r\n\0" + bytes(8)
    at, rows = 19, []
    while (fields := struct.unpack_from(">h", data, at)[0]) != -1:
        at += 2
        rows.append([])
        for _ in range(fields):
            length = struct.unpack_from(">i", data, at)[0]
            at += 4
            rows[-1].append(None if length == -1 else data[at : at + length])
            at += max(length, 0)
    assert data[at:] == b"\xff\xff"
    return rows


def as_bytes(value: object) -> bytes | None:
    return {True: b"\1", False: b"\0", None: None}[value] if not isinstance(value, str) else value.encode()


@given(batches())
def test_binary_rows_read_back_as_the_values(drawn: tuple[list[LoadColumn], list[list[object]]]) -> None:
    columns, batch = drawn
    moment = struct.pack(">q", 817_028_829_933_000)  # microseconds after 2000-01-01

    rows = read_back(b"".join(RowBinary(columns, FIXED).chunks([batch, batch])))

    assert [row[:-1] for row in rows] == [
        [*map(as_bytes, row), "größe".encode()] for row in zip(*batch, strict=True)
    ] * 2
    assert {row[-1] for row in rows} == {moment}


@pytest.mark.parametrize("text", ["text", "varchar(400)", "anything"])
@pytest.mark.parametrize("moment", ["timestamptz", "timestamp", "varchar"])
@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_postgres_stores_the_same_through_binary_and_text(
    postgres_server: Postgres, text: str, moment: str, encoding: str
) -> None:
    names = (*TWITTER, ResultColumn("name", "text"))
    rows = [(number(1), True, "Zoë"), (number(2), None, None), (number(3), False, "x' \\N \t y")]
    with postgres(postgres_server) as warehouse:
        database = warehouse.run("SELECT current_database()")[0][0]
        warehouse.run("CREATE DOMAIN anything AS text")
        warehouse.run(
            f"CREATE TABLE checks (number {text}, twitter boolean, name {text}, task_type {text}, "
            f"checknumber_task_id {text}, checked_at {moment})"
        )
        warehouse.run(f"ALTER DATABASE {database} SET client_encoding = '{encoding}'")
        warehouse.run(f"ALTER DATABASE {database} SET timezone = 'UTC'")

        load_rows(warehouse, rows, columns=names, create_table=False)

        assert warehouse.run("SELECT number, twitter, name FROM checks ORDER BY number") == rows
        assert warehouse.run("SELECT DISTINCT checked_at::timestamp::text FROM checks") == [
            ("2025-11-21 08:27:09.933",)
        ]
