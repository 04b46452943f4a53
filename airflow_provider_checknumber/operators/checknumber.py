"""Submits a list of numbers to be checked. Not for: loading the result (``transfers``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    BaseOperator,
    conf,
)

from airflow_provider_checknumber.billing import OnUnknown, Submission, submit_once
from airflow_provider_checknumber.client import CheckNumberPermanentError, Task
from airflow_provider_checknumber.client.waiting import Wait
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.numbers import NumberListError, PreparedNumbers, prepare_numbers
from airflow_provider_checknumber.submission_memory import VariableInstructions, submission_memory
from airflow_provider_checknumber.triggers.checknumber import left_running, timed_out
from airflow_provider_checknumber.waiting import (
    ask_once,
    deferral,
    raise_if_deferral_timed_out,
    read_event,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class CheckNumberSubmitOperator(BaseOperator):
    """
    Submit a file of phone numbers to CheckNumber or eKYC Pro; return the id of the service's task.

    .. code-block:: python

        submit = CheckNumberSubmitOperator(
            task_id="submit",
            number_file="/data/numbers-{{ ds }}.txt",
            task_type="Twitter",
            max_numbers=50_000,
        )

    **Each accepted submission is billed, and no retry pays again.** What is about to be sent is on record
    before it is sent, and the service's id right after. A retry, or a clear of this task, returns the id
    on record where numbers, task type and service are the same (in any order), and submits where they have
    changed, or where the service's task has failed. To submit the same once more all the same, run the
    command that the task's log names, and clear the task.

    Where a worker or a connection died in between, nobody can know whether the service took the numbers:
    the task then fails without a retry, and its message says where to look and how to go on.

    XCom ``counts`` holds what was in the list: ``numbers`` submitted and ``duplicates`` left out.

    :param number_file: path of a text file with one E.164 number a line. (templated)
    :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``. (templated)
    :param checknumber_conn_id: the Airflow connection, of either type. (templated)
    :param max_numbers: refuse a list with more distinct numbers than this before anything is sent.
    :param on_unknown: what to do where an earlier try may have been accepted: ``fail`` (default), or
        ``resubmit`` at the risk of paying twice.
    :param wait_for_completion: wait in this task until the service has exported the result. A retry then
        goes on waiting for the task that the first try submitted.
    :param deferrable: with ``wait_for_completion``, wait in the triggerer instead of a worker; defaults
        to Airflow's setting ``[operators] default_deferrable``.
    :param poke_interval: with ``wait_for_completion``, seconds between two questions.
    :param timeout: with ``wait_for_completion``, how long to wait; the task then fails without a retry.
    """

    # Airflow owns the attribute ``task_type`` (the operator's class name), hence the longer name.
    template_fields: Sequence[str] = ("number_file", "checknumber_task_type", "checknumber_conn_id")
    ui_color = "#d0e4f2"

    def __init__(
        self,
        *,
        number_file: str,
        task_type: str,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        max_numbers: int | None = None,
        on_unknown: OnUnknown = "fail",
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float = 10.0,
        timeout: timedelta | float = timedelta(days=7),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_unknown not in ("fail", "resubmit"):
            raise ValueError(f"on_unknown is {on_unknown!r}: use 'fail' or 'resubmit'.")
        self.number_file = number_file
        self.checknumber_task_type = task_type
        self.checknumber_conn_id = checknumber_conn_id
        self.max_numbers = max_numbers
        self.on_unknown = on_unknown
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poke_interval = poke_interval
        self.timeout = timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout)
        self._waiting_for: str | None = None

    @cached_property
    def hook(self) -> CheckNumberHook:
        """Return the hook of the connection."""
        return CheckNumberHook(self.checknumber_conn_id)

    def execute(self, context: Context) -> str:
        """Submit, and wait where asked to; return the service's task id."""
        try:
            checknumber_task_id = self._submit(context)
        except CheckNumberPermanentError as error:
            raise AirflowFailException(str(error)) from None
        if self.wait_for_completion:
            self._wait(checknumber_task_id)
        return checknumber_task_id

    def _submit(self, context: Context) -> str:
        with prepare_numbers(self.number_file) as numbers:
            if self.max_numbers is not None and numbers.count > self.max_numbers:
                raise NumberListError(
                    f"The list holds {numbers.count:,} numbers, more than max_numbers={self.max_numbers:,}: nothing "
                    "was sent. Check that it is the right list, or raise max_numbers."
                )
            context["ti"].xcom_push(
                key="counts", value={"numbers": numbers.count, "duplicates": numbers.duplicates}
            )
            return submit_once(
                Submission(
                    fingerprint=numbers.fingerprint,
                    numbers=numbers.count,
                    task_type=self.checknumber_task_type,
                    host=self.hook.endpoint.host,
                ),
                memory=submission_memory(context),
                instructions=VariableInstructions(context),
                service=_Service(self.hook, numbers, self.checknumber_task_type),
                on_unknown=self.on_unknown,
                log=self.log,
            )

    def _wait(self, checknumber_task_id: str) -> None:
        self._waiting_for = checknumber_task_id
        if self.deferrable:
            self.defer(
                **deferral(
                    checknumber_task_id,
                    checknumber_conn_id=self.checknumber_conn_id,
                    poke_interval=self.poke_interval,
                    timeout=self.timeout,
                    execution_timeout=self.execution_timeout,
                ),
                kwargs={"checknumber_task_id": checknumber_task_id},
            )
        wait = Wait(poke_interval=self.poke_interval)
        deadline = time.monotonic() + self.timeout.total_seconds()
        while not ask_once(self.hook, checknumber_task_id, wait=wait, log=self.log):
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

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, *, checknumber_task_id: str
    ) -> str:
        """Resume when the trigger has fired; return the service's task id."""
        self._waiting_for = checknumber_task_id
        try:
            self.log.info("%s", read_event(event, checknumber_task_id))
        except AirflowTaskTimeout:
            self.on_kill()
            raise
        return checknumber_task_id

    def on_kill(self) -> None:
        """Say what becomes of the service's task, which cannot be cancelled."""
        if self._waiting_for is not None:
            self.log.info("%s", left_running(self._waiting_for))


class _Service:
    """One prepared list and the service it goes to, as ``billing`` asks for it."""

    def __init__(self, hook: CheckNumberHook, numbers: PreparedNumbers, task_type: str) -> None:
        self._hook = hook
        self._numbers = numbers
        self._task_type = task_type

    def submit(self) -> Task:
        return self._hook.submit_task(self._numbers.path, self._task_type)

    def get_task(self, checknumber_task_id: str) -> Task:
        return self._hook.get_task(checknumber_task_id)
