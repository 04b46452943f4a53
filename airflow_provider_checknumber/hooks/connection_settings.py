"""What the fields of a connection mean. Not for: looking connections up (the hook does)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_checknumber.client import Endpoint, InvalidConnectionError, Timing, make_endpoint

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


@dataclass(frozen=True)
class Settings:
    """
    What a connection says.

    :param endpoint: the service's base URL and the key.
    :param timing: how long to wait for answers.
    :param result_hosts: hosts that results may be downloaded from; any where empty.
    """

    endpoint: Endpoint
    timing: Timing
    result_hosts: tuple[str, ...]


def read_settings(connection: Connection, extra: dict[str, Any], conn_type: str) -> Settings:
    """
    Read a connection.

    :param connection: the Airflow connection.
    :param extra: its extra fields.
    :param conn_type: its type, where it does not say.
    :raises InvalidConnectionError: it cannot be used.
    """
    try:
        return Settings(
            endpoint=make_endpoint(
                conn_type=connection.conn_type or conn_type,
                host=connection.host,
                api_key=connection.password,
                scheme=connection.schema,
                port=connection.port,
                dashboard_url=_web_page(extra, "dashboard_url"),
            ),
            timing=Timing(
                read=_seconds(extra, "read_timeout", Timing.read),
                submit=_seconds(extra, "submit_timeout", Timing.submit),
            ),
            result_hosts=_hosts(extra, "result_hosts"),
        )
    except InvalidConnectionError as error:
        raise InvalidConnectionError(f"Connection {connection.conn_id!r}: {error}") from None


def _seconds(extra: dict[str, Any], field: str, default: float) -> float:
    value = extra.get(field)
    if value in (None, ""):
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise InvalidConnectionError(
            f"its extra field {field} is not a number of seconds between 0 and 86400."
        )
    return seconds


def _hosts(extra: dict[str, Any], field: str) -> tuple[str, ...]:
    """Read host names from a list, or from a text with commas, as the connection form gives it."""
    value = extra.get(field) or ()
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InvalidConnectionError(f"its extra field {field} is not a list of host names.")
    return tuple(stripped for name in names if (stripped := name.strip()))


def _web_page(extra: dict[str, Any], field: str) -> str | None:
    value = extra.get(field) or None
    if value is None:
        return None
    # It becomes a link in the UI, for everybody who may see the task.
    if not isinstance(value, str) or not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", value):
        raise InvalidConnectionError(
            f"its extra field {field} is not an http(s) URL without a user, a query or a fragment."
        )
    return value
