"""The link from a task in Airflow's UI to the service's dashboard. Not for: links to results, which are credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

#: Of the XCom that holds the link.
XCOM_KEY = "checknumber_dashboard"


class CheckNumberDashboardLink(BaseOperatorLink):
    """
    Open the dashboard of the account that a task's connection belongs to.

    The service documents no page for a single task, so the link is the same for all of them: look there for the
    id that the task has returned. It is the connection's extra field ``dashboard_url`` or the service's own
    address, and never holds a key.
    """

    name = "Service dashboard"

    @property
    def xcom_key(self) -> str:
        """Where Airflow 3 looks for the link by itself."""
        return XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link, empty where the task has not left one."""
        return XCom.get_value(key=XCOM_KEY, ti_key=ti_key) or ""
