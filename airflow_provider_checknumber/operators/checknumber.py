"""Submits a list of numbers to be checked. Not for: loading the result (``transfers``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseOperator,
    conf,
)

from airflow_provider_checknumber import lineage
from airflow_provider_checknumber.arguments import check_choice
from airflow_provider_checknumber.billing import OnUnknown
from airflow_provider_checknumber.client import CheckNumberPermanentError
from airflow_provider_checknumber.client.polling import MAX_POKE_INTERVAL, POKE_INTERVAL
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.numbers import OnInvalid, prepare_numbers
from airflow_provider_checknumber.object_storage import file_to_open
from airflow_provider_checknumber.service_task import ServiceTask
from airflow_provider_checknumber.submitting import Submitter, number_source
from airflow_provider_checknumber.triggers.checknumber import left_running, timed_out
from airflow_provider_checknumber.waiting import (
    ask_once,
    deferral,
    raise_if_deferral_timed_out,
    read_event,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage


class CheckNumberSubmitOperator(ServiceTask, BaseOperator):
    """
    Submit a list of phone numbers to CheckNumber or eKYC Pro; return the id of the service's task.

    .. code-block:: python

        submit = CheckNumberSubmitOperator(
            task_id="submit",
            number_file="s3://aws_default@lake/customers/{{ ds }}.csv.gz",
            column="phone",
            default_region="TR",
            task_type="Twitter",
            max_numbers=50_000,
        )

    The list is text with one number a line, CSV or Parquet with a named column, plain or gzip, on the worker's
    disk or on any object storage that Airflow knows; memory does not grow with it. Byte order mark, line ends,
    empty lines, spaces and a heading are taken as they come, and repeated numbers are left out. A line that is
    no number refuses the list, unless ``default_region`` or ``on_invalid`` says otherwise.

    **Each accepted submission is billed, and no retry pays again.** What is about to be sent is on record
    before it is sent, and the service's id right after. A retry, or a clear of this task, returns the id
    on record where numbers, task type and service are the same (in any order), and submits where they have
    changed, or where the service's task has failed. To submit the same once more all the same, run the
    command that the task's log names, and clear the task.

    Where a worker or a connection died in between, nobody can know whether the service took the numbers:
    the task then fails without a retry, and its message says where to look and how to go on.

    With ``batch_size`` the list becomes several of the service's tasks, and what is returned is the list of
    their ids, made for ``.expand(checknumber_task_id=submit.output)``. Each batch is billed once: a retry goes
    on with the first one that is not on record. Which batch a number is in does not depend on the list's order.

    XCom ``counts`` holds what was in the list: ``numbers`` submitted, and ``duplicates`` and ``invalid`` lines
    left out.

    :param number_file: path or URI of the list, with the id of a connection before the ``@``; or a short list
        of numbers from another task's XCom, which keeps them in Airflow's metadata database. (templated)
    :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``. (templated)
    :param column: the column that holds the numbers; makes a text file a CSV file. (templated)
    :param encoding: of a text file; default: what a byte order mark declares, else UTF-8. (templated)
    :param default_region: two capital letters, e.g. ``TR``: lines that are not E.164 are read as written in
        that region, and have to be valid numbers of their country. (templated)
    :param on_invalid: ``fail`` (default) at lines that are no numbers, naming them by their line; ``skip`` them;
        or ``keep`` them, for task types that take e-mail addresses.
    :param rejects_file: path or URI for lines that are no numbers, as CSV with line, reason and value. (templated)
    :param batch_size: most numbers in one of the service's tasks; default: all in one.
    :param min_batch_size: fewest numbers in one of them: a smaller remainder joins the batch before it.
    :param checknumber_conn_id: the Airflow connection, of either type. (templated)
    :param max_numbers: refuse a list with more distinct numbers than this before anything is sent. (templated)
    :param on_unknown: what to do where an earlier try may have been accepted: ``fail`` (default), or
        ``resubmit`` at the risk of paying twice.
    :param wait_for_completion: wait in this task until the service has exported the result. A retry then
        goes on waiting for the task that the first try submitted. Not with ``batch_size``.
    :param deferrable: with ``wait_for_completion``, wait in the triggerer instead of a worker; defaults
        to Airflow's setting ``[operators] default_deferrable``.
    :param poke_interval: with ``wait_for_completion``, shortest time between two questions, in seconds.
    :param max_poke_interval: with ``wait_for_completion``, longest time between two questions, in seconds.
    :param timeout: with ``wait_for_completion``, how long to wait; the task then fails without a retry.
    """

    # Airflow owns the attribute ``task_type`` (the operator's class name), hence the longer name.
    template_fields: Sequence[str] = (
        "number_file",
        "checknumber_task_type",
        "column",
        "encoding",
        "default_region",
        "rejects_file",
        "max_numbers",
        "checknumber_conn_id",
    )
    ui_color = "#d0e4f2"

    def __init__(
        self,
        *,
        number_file: str | Sequence[str],
        task_type: str,
        column: str | None = None,
        encoding: str | None = None,
        default_region: str | None = None,
        on_invalid: OnInvalid = "fail",
        rejects_file: str | None = None,
        batch_size: int | None = None,
        min_batch_size: int = 1,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        max_numbers: int | str | None = None,
        on_unknown: OnUnknown = "fail",
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float = POKE_INTERVAL,
        max_poke_interval: float = MAX_POKE_INTERVAL,
        timeout: timedelta | float = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("on_unknown", on_unknown, OnUnknown)
        check_choice("on_invalid", on_invalid, OnInvalid)
        if batch_size is not None and wait_for_completion:
            raise ValueError(
                "wait_for_completion waits for one task, and batch_size makes several: map a sensor over their ids, "
                "CheckNumberTaskSensor.partial(...).expand(checknumber_task_id=submit.output)."
            )
        self.number_file = number_file
        self.checknumber_task_type = task_type
        self.column = column
        self.encoding = encoding
        self.default_region = default_region
        self.on_invalid = on_invalid
        self.rejects_file = rejects_file
        self.batch_size = batch_size
        self.min_batch_size = min_batch_size
        self.checknumber_conn_id = checknumber_conn_id
        self.max_numbers = max_numbers
        self.on_unknown = on_unknown
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poke_interval = poke_interval
        self.max_poke_interval = max_poke_interval
        self.timeout = timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout)
        self._waiting_for: str | None = None
        self._submitted: str | list[str] | None = None

    def execute(self, context: Context) -> str | list[str]:
        """Submit, and wait where asked to; return the service's task id, or with ``batch_size`` their list."""
        try:
            submitted = self._submit(context)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None
        self._submitted = submitted
        if self.wait_for_completion and isinstance(submitted, str):
            self._wait(submitted)
        return submitted

    def _submit(self, context: Context) -> str | list[str]:
        submitter = Submitter(
            context=context,
            hook=self.hook,
            task_type=self.checknumber_task_type,
            max_numbers=self.max_numbers,
            on_unknown=self.on_unknown,
            log=self.log,
        )
        with prepare_numbers(
            number_source(self.number_file),
            column=self.column,
            encoding=self.encoding,
            default_region=self.default_region,
            on_invalid=self.on_invalid,
            rejects=file_to_open(self.rejects_file) if self.rejects_file else None,
            batch_size=self.batch_size,
            min_batch_size=self.min_batch_size,
        ) as numbers:
            submitter.tell(numbers)
            return submitter.submit(numbers) if self.batch_size is None else submitter.submit_batches(numbers)

    def _wait(self, checknumber_task_id: str) -> None:
        self._waiting_for = checknumber_task_id
        wait = Wait(poke_interval=self.poke_interval, max_poke_interval=self.max_poke_interval)
        deadline = time.monotonic() + self.timeout.total_seconds()
        began = datetime.now(UTC)
        while not ask_once(self.hook, checknumber_task_id, wait=wait, began=began, log=self.log):
            if self.deferrable:
                self.defer(
                    **deferral(
                        checknumber_task_id,
                        checknumber_conn_id=self.checknumber_conn_id,
                        poke_interval=self.poke_interval,
                        max_poke_interval=self.max_poke_interval,
                        timeout=self.timeout,
                        execution_timeout=self.execution_timeout,
                    )
                )
            left = deadline - time.monotonic()
            if left <= 0:
                raise AirflowSensorTimeout(timed_out(checknumber_task_id))
            time.sleep(min(wait.pause(), left))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral; a deadline that passed while no triggerer was alive ends the wait for good."""
        raise_if_deferral_timed_out(
            next_method, next_kwargs, timeout=self.timeout, execution_timeout=self.execution_timeout
        )
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Resume when the trigger has fired; return the service's task id."""
        # From the event, as `airflow dags test` loses the arguments that were given on deferring.
        checknumber_task_id = str(event.get("checknumber_task_id")) if isinstance(event, dict) else ""
        self._waiting_for = self._submitted = checknumber_task_id
        self.log.info("%s", read_event(event, checknumber_task_id))
        return checknumber_task_id

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage which list was checked, and as which of the service's tasks."""
        return lineage.operator_lineage(
            endpoint=self.hook.endpoint,
            checknumber_task_ids=self._submitted,
            inputs=lineage.number_list(self.number_file),
            outputs=[lineage.check(self.hook.endpoint, self.checknumber_task_type)],
        )

    def on_kill(self) -> None:
        """Say what becomes of the service's task, which cannot be cancelled."""
        if self._waiting_for is not None:
            self.log.info("%s", left_running(self._waiting_for))
