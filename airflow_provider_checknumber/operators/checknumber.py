"""Submits a list of numbers to be checked. Not for: waiting (``sensors``) or loading (``transfers``)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_checknumber.client import CheckNumberError
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.numbers import prepare_numbers

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
        )

    **Each submission is billed.** The list is checked before anything is sent.

    :param number_file: path of a text file with one E.164 number a line. (templated)
    :param task_type: the service's name of the check, e.g. ``Twitter`` or ``htx``. (templated)
    :param checknumber_conn_id: the Airflow connection, of either type. (templated)
    """

    template_fields: Sequence[str] = ("number_file", "checknumber_task_type", "checknumber_conn_id")
    ui_color = "#d0e4f2"

    def __init__(
        self,
        *,
        number_file: str,
        task_type: str,
        checknumber_conn_id: str = CheckNumberHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.number_file = number_file
        # Airflow owns the attribute ``task_type``: it is the operator's class name.
        self.checknumber_task_type = task_type
        self.checknumber_conn_id = checknumber_conn_id

    @cached_property
    def hook(self) -> CheckNumberHook:
        """Return the hook of the connection."""
        return CheckNumberHook(self.checknumber_conn_id)

    def execute(self, context: Context) -> str:
        """Check the list, submit it, push its counts as XCom ``counts`` and return the service's task id."""
        try:
            with prepare_numbers(self.number_file) as numbers:
                self.log.info("Submitting %s numbers to %s.", f"{numbers.count:,}", self.hook.endpoint.host)
                task = self.hook.submit_task(numbers.path, self.checknumber_task_type)
                counts = {"numbers": numbers.count, "duplicates": numbers.duplicates}
        except CheckNumberError as error:
            raise AirflowFailException(str(error)) from None
        self.log.info("CheckNumber task %s was created.", task.task_id)
        context["ti"].xcom_push(key="counts", value=counts)
        return task.task_id
