"""Submits the numbers that a query yields. Not for: loading the result (``checknumber_to_sql``)."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, BaseOperator

from airflow_provider_checknumber import lineage, metrics
from airflow_provider_checknumber.arguments import check_choice
from airflow_provider_checknumber.billing import OnUnknown
from airflow_provider_checknumber.client import CheckNumberPermanentError
from airflow_provider_checknumber.database_hooks import database_hook
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.numbers import (
    EmptyNumberListError,
    NumberBatch,
    OnInvalid,
    PreparedNumbers,
    leave_out,
    prepare_numbers,
)
from airflow_provider_checknumber.object_storage import file_to_open
from airflow_provider_checknumber.service_task import ServiceTask
from airflow_provider_checknumber.submitting import Submitter
from airflow_provider_checknumber.warehouse import answered_since, open_query

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


class SqlToCheckNumberOperator(ServiceTask, BaseOperator):
    """
    Submit the phone numbers that a query yields to CheckNumber or eKYC Pro; return the id of the service's task.

    .. code-block:: python

        submit = SqlToCheckNumberOperator(
            task_id="submit",
            sql="SELECT phone FROM customers WHERE country = 'TR'",
            sql_conn_id="warehouse",
            default_region="TR",
            task_type="Twitter",
            results_table="reporting.checks",
            skip_checked_within=timedelta(days=30),
        )

    The first column of the query holds the numbers. They are streamed from the database to the service;
    memory does not grow with them. Repeated numbers are left out.

    **A daily enrichment pays for new numbers only.** With ``results_table`` and ``skip_checked_within``, numbers
    that the table already answers for this task type are left out, where the answer is young enough. A NULL is an
    answer, too: the service was asked and could not tell, and would be paid for saying so again every day.
    Numbers are compared as they are sent, after they have been brought into E.164. How many were saved is
    logged and in XCom ``counts``; where no number is left, the task is skipped, and what follows it. A table
    that does not exist yet answers nothing. What another run has submitted and not loaded yet is not in the table:
    give the DAG ``max_active_runs=1``.

    **Each accepted submission is billed, and no retry pays again.** A submission is on record as that of its
    query: a retry, or a clear of this task, returns the service's id on record without running the query
    again, whatever has become of its tables by then. It submits where the query as it is rendered, the task
    type or the service has changed, or the service's task has failed. So the query must not be rendered
    differently on each try. To submit it once more all the same, run the command that the task's log names,
    and clear the task. Where nobody can know whether the service took the numbers, the task fails without a
    retry, and its message says how to go on.

    XCom ``counts``, kept with the record for later tries: ``numbers`` submitted, ``duplicates`` and ``invalid``
    left out, and ``already_answered``, the numbers that were saved.

    There is no ``batch_size``: a retry may find other rows, would deal them out to other batches, and pay for some
    a second time. A list larger than the service takes at once is split by mapping,
    ``.partial(sql="… WHERE MOD(id, 4) = %s", …).expand(parameters=[[0], [1], [2], [3]])``, or written to a file
    for ``CheckNumberSubmitOperator(number_file=…, batch_size=…)``.

    :param sql: one ``SELECT``, or the path of a ``.sql`` file with one. (templated)
    :param sql_conn_id: the Airflow connection of the database, any with a ``DbApiHook``. (templated)
    :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``. (templated)
    :param parameters: what the query's placeholders stand for, in the driver's own style. (templated)
    :param default_region: two capital letters, e.g. ``TR``: numbers that are not E.164 are read as written in
        that region, and have to be valid numbers of their country. (templated)
    :param on_invalid: ``fail`` (default) at rows that hold no number, naming them by their place; ``skip`` them;
        or ``keep`` them, for task types that take e-mail addresses.
    :param rejects_file: path or URI for rows that hold no number, as CSV with line, reason and value. (templated)
    :param results_table: a table that ``CheckNumberToSqlOperator`` loads; needs ``skip_checked_within``. (templated)
    :param skip_checked_within: how old an answer may be for its number to be left out, by ``checked_at``.
    :param results_conn_id: the connection of the results table, default: that of the query. (templated)
    :param results_columns: what the columns ``number``, ``task_type`` and ``checked_at`` are called there, where
        ``columns`` has renamed them in the load. (templated)
    :param max_numbers: refuse to submit more distinct numbers than this before anything is sent. (templated)
    :param on_unknown: what to do where an earlier try may have been accepted: ``fail`` (default), or
        ``resubmit`` at the risk of paying twice.
    :param hook_params: arguments of the hook of ``sql_conn_id``.
    :param checknumber_conn_id: the Airflow connection of the service, of either type. (templated)
    """

    # Airflow owns the attribute ``task_type`` (the operator's class name), hence the longer name.
    template_fields: Sequence[str] = (
        "sql",
        "sql_conn_id",
        "checknumber_task_type",
        "parameters",
        "default_region",
        "rejects_file",
        "results_table",
        "results_conn_id",
        "results_columns",
        "max_numbers",
        "checknumber_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        "parameters": "json",
        "results_columns": "json",
    }
    ui_color = "#d0e4f2"

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        task_type: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        default_region: str | None = None,
        on_invalid: OnInvalid = "fail",
        rejects_file: str | None = None,
        results_table: str | None = None,
        skip_checked_within: timedelta | None = None,
        results_conn_id: str | None = None,
        results_columns: Mapping[str, str] | None = None,
        max_numbers: int | str | None = None,
        on_unknown: OnUnknown = "fail",
        hook_params: Mapping[str, Any] | None = None,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_unknown", on_unknown, OnUnknown)
        check_choice("on_invalid", on_invalid, OnInvalid)
        if (results_table is None) != (skip_checked_within is None):
            raise ValueError(
                "results_table and skip_checked_within say together what is left out: give both."
            )
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.checknumber_task_type = task_type
        self.parameters = parameters
        self.default_region = default_region
        self.on_invalid = on_invalid
        self.rejects_file = rejects_file
        self.results_table = results_table
        self.skip_checked_within = skip_checked_within
        self.results_conn_id = results_conn_id
        self.results_columns = results_columns
        self.max_numbers = max_numbers
        self.on_unknown = on_unknown
        self.hook_params = hook_params
        self.checknumber_conn_id = checknumber_conn_id
        self._submitted: str | None = None

    def execute(self, context: Context) -> str:
        """Run the query and submit what it yields, unless that was done before; return the service's task id."""
        submitter = Submitter(
            context=context,
            hook=self.hook,
            task_type=self.checknumber_task_type,
            max_numbers=self.max_numbers,
            on_unknown=self.on_unknown,
            log=self.log,
        )
        try:
            self._submitted = submitter.recall(self._known_as()) or self._submit(submitter)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None
        return self._submitted

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which tables were read, and as which of the service's tasks they were checked."""
        return lineage.operator_lineage(
            endpoint=self.hook.endpoint,
            checknumber_task_ids=self._submitted,
            inputs=lineage.query(database_hook(self.sql_conn_id, self.hook_params), self.sql),
            outputs=[lineage.check(self.hook.endpoint, self.checknumber_task_type)],
        )

    def _known_as(self) -> str:
        """
        Return what makes this submission the same as that of another try.

        Not its numbers: what has been loaded since the first try would be left out by the second, and the
        rest, a new list, would be billed again.
        """
        request = {
            "sql": self.sql,
            "parameters": self.parameters,
            "connection": self.sql_conn_id,
            "normalising": [self.default_region, self.on_invalid],
            "results": [self.results_conn_id, self.results_table, self.results_columns],
            "skip_checked_within": self.skip_checked_within,
        }
        text = json.dumps(request, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _submit(self, submitter: Submitter) -> str:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checknumber-")))
            prepared = self._prepare(stack)
            numbers = self._without_answered(prepared, folder)
            saved = prepared.count - numbers.count
            counts = submitter.tell(prepared, numbers=numbers.count, already_answered=saved)
            if numbers.count:
                submitted = submitter.submit(numbers, known_as=self._known_as(), counts=counts)
            metrics.saved(self.hook.endpoint, self.checknumber_task_type, saved)
            if not numbers.count:
                raise AirflowSkipException("Every number is answered already: there is nothing to submit.")
            return submitted

    def _prepare(self, stack: ExitStack) -> PreparedNumbers:
        """Run the query; its numbers stay as long as the stack, its connection does not."""
        rejects = file_to_open(self.rejects_file) if self.rejects_file else None
        hook = database_hook(self.sql_conn_id, self.hook_params)
        try:
            with open_query(hook, self.sql, self.parameters) as rows:
                return stack.enter_context(
                    prepare_numbers(
                        rows,
                        default_region=self.default_region,
                        on_invalid=self.on_invalid,
                        rejects=rejects,
                    )
                )
        except EmptyNumberListError as error:
            if error.lines_read:
                raise
            raise AirflowSkipException("The query yields no number: there is nothing to submit.") from None

    def _without_answered(self, prepared: PreparedNumbers, folder: Path) -> NumberBatch:
        if self.results_table is None or self.skip_checked_within is None:
            return prepared
        same = self.results_conn_id in (None, self.sql_conn_id)
        hook = database_hook(self.results_conn_id or self.sql_conn_id, self.hook_params if same else None)
        answered = answered_since(
            hook,
            table=self.results_table,
            task_type=self.checknumber_task_type,
            since=datetime.now(UTC) - self.skip_checked_within,
            columns=self.results_columns,
        )
        with closing(answered):
            numbers = leave_out(prepared, answered, folder, only_e164=self.on_invalid != "keep")
        self.log.info(
            "%d of %d numbers are answered in %s, which saves paying for them; %d are left to submit.",
            prepared.count - numbers.count,
            prepared.count,
            self.results_table,
            numbers.count,
        )
        return numbers
