"""
A load, from first statement to commit: the same steps in the same order for every database.

All rows of a check are in the table afterwards or none is, and loading it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from airflow_provider_checknumber.warehouse.columns import (
    CHECKED_AT,
    CHECKNUMBER_TASK_ID,
    NUMBER,
    TASK_TYPE,
    Batch,
    Check,
    Family,
    Layout,
    LoadColumn,
    SourceColumn,
)
from airflow_provider_checknumber.warehouse.databases import Database, Target, WriteDisposition, connect
from airflow_provider_checknumber.warehouse.distinct import Distinct
from airflow_provider_checknumber.warehouse.errors import ShortfallError, TableError
from airflow_provider_checknumber.warehouse.names import TableName
from airflow_provider_checknumber.warehouse.report import LoadReport

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

OnNewColumn = Literal["fail", "ignore", "add"]

#: Columns without which a disposition cannot know which rows a load takes the place of.
_REQUIRED: dict[WriteDisposition, tuple[str, ...]] = {
    "append": (NUMBER, CHECKNUMBER_TASK_ID),
    "merge": (NUMBER, TASK_TYPE, CHECKNUMBER_TASK_ID, CHECKED_AT),
    "replace": (NUMBER,),
}


def load(
    hook: DbApiHook,
    *,
    table: str,
    result_columns: Sequence[SourceColumn],
    batches: Iterable[Batch],
    check: Check,
    write_disposition: WriteDisposition = "append",
    create_table: bool = False,
    columns: Mapping[str, str] | None = None,
    on_new_column: OnNewColumn = "fail",
    expected_rows: int | None = None,
    allow_shortfall: bool = False,
) -> LoadReport:
    """
    Write the rows of one check to a table, in one transaction.

    :param hook: any ``DbApiHook``; its connection decides which loader is used.
    :param table: ``table``, ``schema.table`` or ``catalogue.schema.table``.
    :param result_columns: the result's columns.
    :param batches: the rows, in columns: one list for each of ``result_columns``, in their order.
    :param check: what is the same on all rows.
    :param write_disposition: ``append`` adds the check's rows, in place of those of an earlier load of the
        same check; ``merge`` keeps one row a number and task type, the newest ``checked_at`` wins;
        ``replace`` exchanges all rows of the table.
    :param create_table: make the table if there is none; with a key over number and task type for ``merge``.
    :param columns: result column to table column, which renames and picks.
    :param on_new_column: what to do about a column that the table lacks.
    :param expected_rows: numbers that the service says it identified, or None where it does not say.
    :param allow_shortfall: load even if the archive answers fewer.
    :raises TableError: the table or a name does not fit.
    :raises ShortfallError: fewer rows than expected.
    :raises WarehouseError: the database could not be reached, was busy or refused.
    """
    target = Target(
        table=TableName.parse(table),
        layout=Layout.plan(result_columns, check, columns),
        disposition=write_disposition,
        check=check,
    )
    with closing(connect(hook)) as database:
        try:
            with database.refusals(f"load into {target.table}"):
                database.begin(target)
                target = _prepare(database, target, create_table=create_table, on_new_column=on_new_column)
                database.open(target)
                report = _write(database, target, batches)
                if expected_rows is not None and not allow_shortfall:
                    _check_shortfall(target, report, expected_rows)
                database.commit()
        except BaseException:
            database.rollback()
            raise
    return report


def _prepare(database: Database, target: Target, *, create_table: bool, on_new_column: OnNewColumn) -> Target:
    """Make the table, or fit the load to the one that is there."""
    existing = database.describe(target.table)
    if existing is None:
        if not create_table:
            raise TableError(
                f"There is no table {target.table}, or this connection may not read it: make it, "
                "or let the load do so with create_table=True."
            )
        database.create(target)
        existing = database.describe(target.table)
        if existing is None:  # It will be made at the switch, as the load wants it.
            return target
    found = {column.role: _find(database, existing, column) for column in target.layout.all}
    lacking = [column for column in target.layout.all if found[column.role] is None]
    layout = _settle(database, target, lacking, on_new_column) if lacking else target.layout
    names = {column.role: found[column.role] or column.name for column in layout.all}
    families = {role: existing.get(name, "other") for role, name in names.items()}
    return replace(target, layout=layout.fitted(names, families))


def _find(database: Database, existing: Mapping[str, Family], column: LoadColumn) -> str | None:
    """Return the table's own spelling of a column's name, or None where it has no such column."""
    if column.name in existing:
        return column.name
    if database.folds_case:
        return next((name for name in existing if name.casefold() == column.name.casefold()), None)
    return None


def _settle(
    database: Database, target: Target, lacking: Sequence[LoadColumn], on_new_column: OnNewColumn
) -> Layout:
    """Do about columns that the table lacks what the user wants done; return the layout that is left."""
    if on_new_column == "add":
        database.add_columns(target.table, lacking)
        return target.layout
    required = [column for column in lacking if column.role in _REQUIRED[target.disposition]]
    if on_new_column == "fail" or required:
        names = ", ".join(repr(column.name) for column in (required or lacking))
        raise TableError(
            f"Table {target.table} has no column {names}: add it, name another one with columns={{…}}, "
            + (
                f"which {target.disposition!r} needs."
                if required
                else "or say what to do with on_new_column='ignore' or 'add'."
            )
        )
    return target.layout.without({column.role for column in lacking})


def _write(database: Database, target: Target, batches: Iterable[Batch]) -> LoadReport:
    """Write all rows and bring them to the table; return what became of them."""
    layout = target.layout
    number = [column.role for column in layout.varying].index(NUMBER)
    distinct = Distinct((layout.pick(batch) for batch in batches), number)
    replaced = 0
    while not distinct.exhausted:
        database.write(target, distinct)
        numbers, held = distinct.release()
        if numbers:
            replaced += database.forget(target, numbers)
            database.write(target, [held])
    kept = distinct.rows_given - replaced
    database.finish(target, kept)
    return LoadReport(
        rows_read=distinct.rows_read,
        loaded=kept - database.superseded,
        duplicates=distinct.rows_read - kept,
        superseded=database.superseded,
        removed=database.removed,
    )


def _check_shortfall(target: Target, report: LoadReport, expected_rows: int) -> None:
    if report.rows_read < expected_rows:
        raise ShortfallError(
            f"The archive gave {report.rows_read} rows, but the service says that it identified "
            f"{expected_rows} numbers, so nothing was loaded into {target.table}: run the load again, which "
            "fetches the archive anew, or accept what is there with allow_shortfall=True."
        )
