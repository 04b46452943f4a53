"""Writes the result of a check to object storage. Not for: loading it into a database (``checknumber_to_sql``)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_checknumber import lineage, metrics
from airflow_provider_checknumber.arguments import check_choice
from airflow_provider_checknumber.client import CheckNumberPermanentError, Task
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.object_storage import Location, bucket_and_key, locate, put_file
from airflow_provider_checknumber.result_files import FileFormat, write_file
from airflow_provider_checknumber.results import ArchiveLimits, OnBadRow, ResultTable
from airflow_provider_checknumber.service_task import ServiceTask
from airflow_provider_checknumber.warehouse import Check, ShortfallError
from airflow_provider_checknumber.warehouse.columns import Layout

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


class CheckNumberToObjectStorageOperator(ServiceTask, BaseOperator):
    """
    Write the result of a CheckNumber or eKYC Pro task to object storage; return where it is and what is in it.

    .. code-block:: python

        export = CheckNumberToObjectStorageOperator(
            task_id="export",
            checknumber_task_id=wait.output,
            task_type="Twitter",
            path="s3://aws_default@lake/checks",
            file_format="parquet",
        )
        S3ToRedshiftOperator(
            task_id="load",
            s3_bucket=export.output["bucket"],
            s3_key=export.output["key"],
            copy_options=["FORMAT AS PARQUET"],
            ...,
        )

    One file a task: ``<path>/<task type>/<service's task id>.<format>``, here
    ``s3://aws_default@lake/checks/Twitter/d4g8o46p2jvh04o9uolg.parquet``. Whoever reads it sees all of the
    result or none: it is made on the worker's disk, in constant memory, and then put in its place at once.
    Running the task again puts the same file there. Nothing is billed.

    The rows have the columns that ``CheckNumberToSqlOperator`` loads: ``number`` (E.164 with its ``+``), those
    of the result (yes and no as booleans, null where the service could not tell), ``task_type``,
    ``checknumber_task_id`` and ``checked_at`` (when the service took the list, UTC). They are all in the
    file, none in names like ``task_type=Twitter``, because ``COPY`` reads files and not their names.

    Returned, and each an XCom of its own, for the operators that take it from there: ``uri``, ``bucket`` (not
    for a path on the worker), ``key``, ``bytes``, ``rows``, ``not_determined``, ``malformed`` (skipped), and
    the service's own ``total``, ``success`` and ``failure``. A number that the archive holds twice is in the
    file twice.

    :param checknumber_task_id: the service's id of the task, which must be exported. (templated)
    :param task_type: what the task was submitted as, e.g. ``Twitter``. (templated)
    :param path: the folder: a URI of a storage that Airflow knows, with the id of a connection before the
        ``@``, or a path on the worker. (templated)
    :param file_format: ``parquet`` (default; needs the extra ``parquet``), ``csv`` with a line of names, or
        ``jsonl``. (templated)
    :param columns: result column to column of the file, e.g. ``{"twitter": "has_twitter"}``. Result columns that
        it does not name are left out, except the number. (templated)
    :param on_bad_row: ``fail`` (default) at a row that does not fit the result's table, naming its line, or
        ``skip`` and count it.
    :param allow_shortfall: write even if the archive answers fewer numbers than the service says it identified.
    :param archive_limits: what the result may cost to download and to read, default: ``results.ArchiveLimits()``.
    :param checknumber_conn_id: the Airflow connection of the service, of either type. (templated)
    """

    # Airflow owns the attribute ``task_type`` (the operator's class name), hence the longer name.
    template_fields: Sequence[str] = (
        "checknumber_task_id",
        "checknumber_task_type",
        "path",
        "file_format",
        "columns",
        "checknumber_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"columns": "json"}
    ui_color = "#d0f4de"

    def __init__(
        self,
        *,
        checknumber_task_id: str,
        task_type: str,
        path: str,
        file_format: FileFormat = "parquet",
        columns: Mapping[str, str] | None = None,
        on_bad_row: OnBadRow = "fail",
        allow_shortfall: bool = False,
        archive_limits: ArchiveLimits | None = None,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True, **kwargs})
        check_choice("on_bad_row", on_bad_row, OnBadRow)
        self.checknumber_task_id = checknumber_task_id
        self.checknumber_task_type = task_type
        self.path = path
        self.file_format = file_format
        self.columns = columns
        self.on_bad_row = on_bad_row
        self.allow_shortfall = allow_shortfall
        self.archive_limits = archive_limits
        self.checknumber_conn_id = checknumber_conn_id
        self._exported: dict[str, Any] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the result and write it; return where it is and the counts."""
        check_choice("file_format", self.file_format, FileFormat)
        began = time.monotonic()
        try:
            target = self._target()
            with tempfile.TemporaryDirectory(prefix="checknumber-") as folder:
                file = Path(folder) / "file"
                with self.hook.open_results(
                    self.checknumber_task_id, task_type=self.checknumber_task_type
                ) as (task, results):
                    self._write(file, task, results)
                put_file(file, target)
                told = self._tell(task, results, target, file.stat().st_size)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None
        metrics.written(
            self.hook.endpoint,
            self.checknumber_task_type,
            what="export",
            rows=told["rows"],
            seconds=time.monotonic() - began,
        )
        self._exported = told
        which = {"checknumber_task_id": self.checknumber_task_id, "task_type": self.checknumber_task_type}
        self.tell_outlets(context, {**which, **told})
        return told

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which check was written to which file, with the number of rows."""
        told = self._exported
        return lineage.operator_lineage(
            endpoint=self.hook.endpoint,
            checknumber_task_ids=self.checknumber_task_id,
            inputs=[lineage.check(self.hook.endpoint, self.checknumber_task_type)],
            outputs=[lineage.written_file(told["uri"], rows=told["rows"], size=told["bytes"])]
            if told
            else [],
        )

    def _target(self) -> Location:
        name = f"{_file_name(self.checknumber_task_id)}.{self.file_format}"
        return locate(self.path) / _file_name(self.checknumber_task_type) / name

    def _write(self, file: Path, task: Task, results: ResultTable) -> None:
        check = Check(
            task_type=self.checknumber_task_type,
            checknumber_task_id=task.task_id,
            checked_at=task.taken_at,
        )
        write_file(
            file,
            self.file_format,
            layout=Layout.plan(results.columns, check, self.columns),
            batches=(batch.columns for batch in results.batches(on_bad_row=self.on_bad_row)),
        )
        rows = results.counts.rows_read - results.counts.malformed
        if rows < task.success and not self.allow_shortfall:
            raise ShortfallError(
                f"The archive of CheckNumber task {task.task_id} gave {rows} rows, but the service says that it "
                f"identified {task.success} numbers, so nothing was written: run the task again, which fetches the "
                "archive anew, or accept what is there with allow_shortfall=True."
            )

    def _tell(self, task: Task, results: ResultTable, target: Location, size: int) -> dict[str, Any]:
        bucket, key = bucket_and_key(target)
        counts = {
            "rows": results.counts.rows_read - results.counts.malformed,
            "not_determined": results.counts.not_determined,
            "malformed": results.counts.malformed,
            "total": task.total,
            "success": task.success,
            "failure": task.failure,
        }
        self.log.info(
            "Wrote CheckNumber task %s to %s (%d bytes): %s.",
            task.task_id,
            target,
            size,
            ", ".join(f"{name} {count}" for name, count in counts.items()),
        )
        where = {"uri": str(target), "key": key, "bytes": size}
        # A key of its own, as Airflow 3.0 takes no XCom that is None.
        return {**where, **({} if bucket is None else {"bucket": bucket}), **counts}


def _file_name(text: str) -> str:
    """Return a text as one part of a path, whatever it holds."""
    quoted = quote(text, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")
