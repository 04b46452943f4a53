"""The demo counts what is in the table and what is not."""

from __future__ import annotations

import sqlite3

import pytest

from airflow_provider_checknumber.sandbox.demo_table import ResultTable


@pytest.fixture
def table(tmp_path) -> ResultTable:
    file = tmp_path / "warehouse.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE accounts (number TEXT, twitter BOOLEAN)")
        rows = [("+447700900001", True), ("+447700900002", False), ("+447700900003", None)]
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", rows)
    connection.close()
    return ResultTable(file, "accounts")


def test_answers_are_counted_and_the_first_rows_shown(table):
    assert list(table.summary("twitter")) == [
        "3 rows: 1 yes, 1 no, 1 not determined",
        "number         twitter",
        "+447700900001  1",
        "+447700900002  0",
        "+447700900003  NULL",
    ]


def test_numbers_that_are_not_in_the_table_are_counted(table, tmp_path):
    submitted = tmp_path / "numbers.txt"
    submitted.write_text("+447700900003\n+447700900004\n+447700900005\n")

    assert table.count_missing(submitted) == 2


def test_a_complete_table_misses_nothing(table, tmp_path):
    submitted = tmp_path / "numbers.txt"
    submitted.write_text("+447700900003\n+447700900001\n")

    assert table.count_missing(submitted) == 0
