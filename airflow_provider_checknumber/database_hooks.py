"""From a connection to the hook of its database, with a sentence for whoever has named another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, BaseHook
from airflow.providers.common.sql.hooks.sql import DbApiHook

#: The extra of this package that brings the provider for a type of connection.
_EXTRAS = {"postgres": "postgres", "mysql": "mysql", "duckdb": "duckdb"}


def database_hook(sql_conn_id: str, hook_params: Mapping[str, Any] | None = None) -> DbApiHook:
    """
    Return the hook of a connection.

    :param sql_conn_id: the Airflow connection.
    :param hook_params: arguments of the hook.
    :raises AirflowFailException: its provider is not installed, or it is no database's.
    """
    connection = BaseHook.get_connection(sql_conn_id)
    try:
        hook: Any = connection.get_hook(hook_params=dict(hook_params or {}))  # type: ignore[no-untyped-call]
    except (AirflowException, ImportError) as error:
        extra = _EXTRAS.get(connection.conn_type or "")
        advice = (
            f"pip install 'airflow-provider-checknumber[{extra}]' on the workers"
            if extra
            else "install the provider for it on the workers"
        )
        raise AirflowFailException(
            f"Connection {sql_conn_id!r} of type {connection.conn_type!r} has no usable hook here "
            f"({type(error).__name__}): {advice}."
        ) from None
    if not isinstance(hook, DbApiHook):
        raise AirflowFailException(
            f"Connection {sql_conn_id!r} of type {connection.conn_type!r} is not a database's: "
            "name one whose hook is a DbApiHook."
        )
    return hook
