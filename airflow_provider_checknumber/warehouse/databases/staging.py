"""
From a staging table to the table, in one transaction.

The staging table holds what varies from row to row, in columns called as the table's; what is the same
on all rows is added here.
"""

from __future__ import annotations

from airflow_provider_checknumber.warehouse.columns import CHECKED_AT, NUMBER, TASK_TYPE
from airflow_provider_checknumber.warehouse.databases.base import Database, Target
from airflow_provider_checknumber.warehouse.names import PARAM


def switch_staged(database: Database, target: Target, staging: str, rows: int) -> None:
    """
    Bring the staged rows to the table as the disposition says, and tell the database what was removed.

    :param staging: the staging table as it stands in SQL.
    :param rows: how many rows it has.
    """
    if target.disposition == "merge":
        merge_staged(database, target, staging, rows)
    else:
        Database.open(database, target)
        insert_staged(database, target, staging)


def insert_staged(database: Database, target: Target, staging: str, where: str = "") -> int:
    """
    Add staged rows to the table.

    :param where: which rows, as SQL in which ``s`` is the staging table; its parameters come last.
    :return: rows added.
    """
    layout = target.layout
    selected = [f"s.{database.identifier(column.name)}" for column in layout.varying]
    selected += [PARAM] * len(layout.fixed)
    parameters = [database.value(column) for column in layout.fixed]
    if where:
        parameters.append(target.check.task_type)
    return database.execute(
        f"INSERT INTO {database.table(target.table)} ({database.columns(layout.all)}) "
        f"SELECT {', '.join(selected)} FROM {staging} AS s {where}",
        parameters,
    )


def merge_staged(database: Database, target: Target, staging: str, rows: int) -> None:
    """
    Bring the table up to date: one row a number and task type, the newest ``checked_at`` wins.

    Rows that are there are updated, not exchanged, so columns that the load does not know keep their
    values. No unique key is needed, though one over number and task type makes it fast.

    :param rows: how many rows the staging table has.
    """
    layout = target.layout
    table = database.table(target.table)
    number = database.named(target, NUMBER)
    same_row = f"t.{number} = s.{number} AND t.{database.named(target, TASK_TYPE)} = {PARAM}"
    varying = [database.identifier(column.name) for column in layout.varying if column.role != NUMBER]
    fixed = [column for column in layout.fixed if column.role != TASK_TYPE]
    changes = [f"{name} = s.{name}" for name in varying]
    changes += [f"{database.identifier(column.name)} = {PARAM}" for column in fixed]
    checked_at = next(database.value(column) for column in fixed if column.role == CHECKED_AT)
    updated = database.execute(
        f"UPDATE {table} AS t SET {', '.join(changes)} FROM {staging} AS s "
        f"WHERE {same_row} AND t.{database.named(target, CHECKED_AT)} <= {PARAM}",
        [*(database.value(column) for column in fixed), target.check.task_type, checked_at],
    )
    added = insert_staged(
        database, target, staging, f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {same_row})"
    )
    # A table without a key may hold a number twice, which is updated twice.
    database.superseded += max(rows - updated - added, 0)
