"""What all operators and sensors share: the service's hook, the link to its dashboard, and what outlets are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, Asset

from airflow_provider_checknumber.client import InvalidConnectionError
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
from airflow_provider_checknumber.links.checknumber import XCOM_KEY, CheckNumberDashboardLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperatorLink, Context

    from airflow_provider_checknumber.results import ArchiveLimits


class ServiceTask:
    """Inherited before Airflow's own class."""

    checknumber_conn_id: str
    #: Of those that read results.
    archive_limits: ArchiveLimits | None = None
    outlets: list[Any]
    operator_extra_links: Collection[BaseOperatorLink] = (CheckNumberDashboardLink(),)

    @cached_property
    def hook(self) -> CheckNumberHook:
        """Return the hook of the service's connection."""
        return CheckNumberHook(self.checknumber_conn_id, archive_limits=self.archive_limits)

    def pre_execute(self, context: Context) -> None:
        """Leave the link to the dashboard, which is of most use where the task then fails."""
        super().pre_execute(context)  # type: ignore[misc]
        # What is wrong with the connection is told by what uses it.
        with suppress(InvalidConnectionError, AirflowNotFoundException):
            context["ti"].xcom_push(key=XCOM_KEY, value=self.hook.get_dashboard_url())

    def tell_outlets(self, context: Context, told: Mapping[str, Any]) -> None:
        """
        Leave what a task has written with the events of its outlets, for DAGs that are scheduled on them.

        :param context: the running task's.
        :param told: what the operator returns, and which check it was.
        """
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(told)
