"""Loads the result of a check into a table. Not for: waiting until there is one (``sensors``)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_checknumber.client import CheckNumberPermanentError, Task
from airflow_provider_checknumber.database_hooks import database_hook
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.results import OnBadRow, ResultTable, open_results
from airflow_provider_checknumber.warehouse import (
    Check,
    LoadReport,
    OnNewColumn,
    TableError,
    WriteDisposition,
    load,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook

#: The task types whose answers stand in a column of another spelling (the services' own pages).
_TASK_TYPES = {"twitter": "Twitter"}
#: Rows in a batch: small enough to be worked on within the processor's cache.
_BATCH_ROWS = 8_192


class CheckNumberToSqlOperator(BaseOperator):
    """
    Load the result of a CheckNumber or eKYC Pro task into a table; return what became of its rows.

    .. code-block:: python

        load = CheckNumberToSqlOperator(
            task_id="load",
            checknumber_task_id=wait.output,
            task_type="Twitter",
            sql_conn_id="warehouse",
            table="reporting.checks",
            create_table=True,
        )

    The table gets the columns ``number`` (E.164 with its ``+``), those of the result (yes and no as
    booleans, NULL where the service could not tell), ``task_type``, ``checknumber_task_id`` and
    ``checked_at`` (when the service took the list, UTC).

    **All rows are loaded in one transaction, or none**, and running the task again leaves the same rows.
    Nothing is billed. Any connection with a ``DbApiHook`` will do; PostgreSQL, SQLite, DuckDB, MySQL and
    MariaDB are loaded with their own bulk loaders.

    The returned counts, which are also logged as one line: ``rows_read`` (of the archive), ``loaded``,
    ``not_determined``, ``duplicates`` (a later row had the same number), ``malformed`` (skipped),
    ``superseded`` (by ``merge``: the table has a newer answer), ``removed`` (rows that these replaced), and
    the service's own ``total``, ``success`` and ``failure``.

    :param checknumber_task_id: the service's id of the task, which must be exported. (templated)
    :param sql_conn_id: the Airflow connection of the database. (templated)
    :param table: ``table``, ``schema.table`` or ``catalogue.schema.table``. (templated)
    :param write_disposition: ``append`` (default) adds the check's rows, in place of those of an earlier load
        of the same check; ``merge`` keeps one row a number and task type, the newest ``checked_at`` wins;
        ``replace`` exchanges all rows of the table at once. (templated)
    :param create_table: make the table if there is none, with a key over number and task type for ``merge``.
    :param task_type: what the task was submitted as, for the column ``task_type``. Where it is not given,
        the name of the result's only yes/no column is taken, e.g. ``twitter``. (templated)
    :param columns: result column to table column, e.g. ``{"twitter": "has_twitter"}``. Result columns that
        it does not name are left out, except the number. (templated)
    :param on_new_column: what to do about a column that the table lacks: ``fail`` (default), ``ignore`` it, or
        ``add`` it to the table.
    :param on_bad_row: ``fail`` (default) at a row that does not fit the result's table, naming its line, or
        ``skip`` and count it.
    :param allow_shortfall: load even if the archive answers fewer numbers than the service says it identified.
    :param hook_params: arguments of the database's hook, e.g. ``{"local_infile": True}`` for MySQL, which then
        loads with ``LOAD DATA LOCAL INFILE``.
    :param checknumber_conn_id: the Airflow connection of the service, of either type. (templated)
    """

    # Airflow owns the attribute ``task_type`` (the operator's class name), hence the longer name.
    template_fields: Sequence[str] = (
        "checknumber_task_id",
        "sql_conn_id",
        "table",
        "write_disposition",
        "checknumber_task_type",
        "columns",
        "checknumber_conn_id",
    )
    ui_color = "#d0f4de"

    def __init__(
        self,
        *,
        checknumber_task_id: str,
        sql_conn_id: str,
        table: str,
        write_disposition: WriteDisposition = "append",
        create_table: bool = False,
        task_type: str | None = None,
        columns: Mapping[str, str] | None = None,
        on_new_column: OnNewColumn = "fail",
        on_bad_row: OnBadRow = "fail",
        allow_shortfall: bool = False,
        hook_params: Mapping[str, Any] | None = None,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_choice("on_new_column", on_new_column, OnNewColumn)
        _check_choice("on_bad_row", on_bad_row, OnBadRow)
        self.checknumber_task_id = checknumber_task_id
        self.sql_conn_id = sql_conn_id
        self.table = table
        self.write_disposition = write_disposition
        self.create_table = create_table
        self.checknumber_task_type = task_type
        self.columns = columns
        self.on_new_column = on_new_column
        self.on_bad_row = on_bad_row
        self.allow_shortfall = allow_shortfall
        self.hook_params = hook_params
        self.checknumber_conn_id = checknumber_conn_id

    @cached_property
    def hook(self) -> CheckNumberHook:
        """Return the hook of the service's connection."""
        return CheckNumberHook(self.checknumber_conn_id)

    def execute(self, context: Context) -> dict[str, int | None]:
        """Fetch the result and load it; return the counts."""
        _check_choice("write_disposition", self.write_disposition, WriteDisposition)
        try:
            sql_hook = database_hook(self.sql_conn_id, self.hook_params)
            with tempfile.TemporaryDirectory(prefix="checknumber-") as folder:
                archive = Path(folder) / "result"
                task = self.hook.download_results(self.checknumber_task_id, archive)
                with open_results(archive, task_type=self.checknumber_task_type) as results:
                    report = self._load(sql_hook, task, results)
                    return self._tell(task, results, report)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None

    def _load(self, sql_hook: DbApiHook, task: Task, results: ResultTable) -> LoadReport:
        check = Check(
            task_type=self.checknumber_task_type or _type_by_answers(results),
            checknumber_task_id=task.task_id,
            # Not updated_at: that may change after the export, and a second load would write other rows.
            checked_at=task.created_at or task.updated_at or datetime.now(UTC),
        )
        return load(
            sql_hook,
            table=self.table,
            result_columns=results.columns,
            batches=(batch.columns for batch in results.batches(_BATCH_ROWS, on_bad_row=self.on_bad_row)),
            check=check,
            write_disposition=self.write_disposition,
            create_table=self.create_table,
            columns=self.columns,
            on_new_column=self.on_new_column,
            expected_rows=task.success,
            allow_shortfall=self.allow_shortfall,
        )

    def _tell(self, task: Task, results: ResultTable, report: LoadReport) -> dict[str, int | None]:
        counts: dict[str, int | None] = {
            "rows_read": results.counts.rows_read,
            "loaded": report.loaded,
            "not_determined": results.counts.not_determined,
            "duplicates": report.duplicates,
            "malformed": results.counts.malformed,
            "superseded": report.superseded,
            "removed": report.removed,
            "total": task.total,
            "success": task.success,
            "failure": task.failure,
        }
        self.log.info(
            "Loaded CheckNumber task %s into %s: %s.",
            task.task_id,
            self.table,
            ", ".join(f"{name} {count}" for name, count in counts.items()),
        )
        return counts


def _type_by_answers(results: ResultTable) -> str:
    """Return the task type that the result's only column of answers is named after."""
    answers = [column.name for column in results.columns if column.kind == "boolean"]
    # Many products call their answers ``activated``, so that name tells nothing.
    if len(answers) == 1 and answers[0] != "activated":
        return _TASK_TYPES.get(answers[0], answers[0])
    raise TableError(
        "The result does not tell what was checked, which the column task_type needs: "
        "give task_type as the task was submitted, e.g. task_type='ws'."
    )


def _check_choice(name: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}: use {' or '.join(map(repr, get_args(choices)))}.")
