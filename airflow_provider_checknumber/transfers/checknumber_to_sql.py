"""Loads the result of a check into a table. Not for: waiting until there is one (``sensors``)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_checknumber import lineage, metrics
from airflow_provider_checknumber.arguments import check_choice
from airflow_provider_checknumber.client import CheckNumberPermanentError, Task
from airflow_provider_checknumber.database_hooks import database_hook
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.results import ArchiveLimits, OnBadRow, ResultTable
from airflow_provider_checknumber.service_task import ServiceTask
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
    from airflow.providers.openlineage.extractors import OperatorLineage

#: The task types whose answers stand in a column of another spelling (the services' own pages).
_TASK_TYPES = {"twitter": "Twitter"}
#: Rows in a batch: small enough to be worked on within the processor's cache.
_BATCH_ROWS = 8_192


class CheckNumberToSqlOperator(ServiceTask, BaseOperator):
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
        the name of the result's only yes/no column is taken, e.g. ``twitter``; where that tells nothing
        (``activated``), the column is NULL, and ``merge`` fails. (templated)
    :param columns: result column to table column, e.g. ``{"twitter": "has_twitter"}``. Result columns that
        it does not name are left out, except the number. (templated)
    :param on_new_column: what to do about a column that the table lacks: ``fail`` (default), ``ignore`` it, or
        ``add`` it to the table.
    :param on_bad_row: ``fail`` (default) at a row that does not fit the result's table, naming its line, or
        ``skip`` and count it.
    :param allow_shortfall: load even if the archive answers fewer numbers than the service says it identified.
    :param archive_limits: what the result may cost to download and to read, default: ``results.ArchiveLimits()``.
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
    template_fields_renderers: ClassVar[dict[str, str]] = {"columns": "json"}
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
        archive_limits: ArchiveLimits | None = None,
        hook_params: Mapping[str, Any] | None = None,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_new_column", on_new_column, OnNewColumn)
        check_choice("on_bad_row", on_bad_row, OnBadRow)
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
        self.archive_limits = archive_limits
        self.hook_params = hook_params
        self.checknumber_conn_id = checknumber_conn_id
        self._loaded: tuple[str | None, int] | None = None

    def execute(self, context: Context) -> dict[str, int | None]:
        """Fetch the result and load it; return the counts."""
        check_choice("write_disposition", self.write_disposition, WriteDisposition)
        began = time.monotonic()
        try:
            sql_hook = database_hook(self.sql_conn_id, self.hook_params)
            with self.hook.open_results(self.checknumber_task_id, task_type=self.checknumber_task_type) as (
                task,
                results,
            ):
                task_type = self.checknumber_task_type or self._type_by_answers(results)
                report = self._load(sql_hook, task, results, task_type)
                counts = self._tell(task, results, report)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None
        seconds = time.monotonic() - began
        metrics.written(
            self.hook.endpoint, task_type or "unknown", what="load", rows=report.loaded, seconds=seconds
        )
        self._loaded = task_type, report.loaded
        which = {"checknumber_task_id": self.checknumber_task_id, "task_type": task_type}
        self.tell_outlets(context, {**which, **counts})
        return counts

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which check was loaded into which table, with its columns and the number of rows."""
        task_type, rows = self._loaded or (self.checknumber_task_type, None)
        sql_hook = database_hook(self.sql_conn_id, self.hook_params)
        return lineage.operator_lineage(
            endpoint=self.hook.endpoint,
            checknumber_task_ids=self.checknumber_task_id,
            inputs=[lineage.check(self.hook.endpoint, task_type)] if task_type else [],
            outputs=[lineage.written_table(sql_hook, self.table, rows=rows)],
        )

    def _load(
        self, sql_hook: DbApiHook, task: Task, results: ResultTable, task_type: str | None
    ) -> LoadReport:
        check = Check(
            task_type=task_type,
            checknumber_task_id=task.task_id,
            checked_at=task.taken_at,
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

    def _type_by_answers(self, results: ResultTable) -> str | None:
        """Return the task type that the result's only column of answers is named after, None where it tells none."""
        answers = [column.name for column in results.columns if column.kind == "boolean"]
        # Many products call their answers ``activated``, so that name tells nothing.
        if len(answers) == 1 and answers[0] != "activated":
            return _TASK_TYPES.get(answers[0], answers[0])
        advice = "give task_type as the task was submitted, e.g. task_type='ws'."
        if self.write_disposition == "merge":
            raise TableError(
                "The result does not tell what was checked, and 'merge' keeps one row a number and task type: "
                + advice
            )
        self.log.warning(
            "The result does not tell what was checked, so the column task_type is NULL on its rows: %s",
            advice,
        )
        return None

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
