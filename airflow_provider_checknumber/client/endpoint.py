"""Where a connection points: the service's host, checked before a key is ever sent to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_checknumber.client.errors import InvalidConnectionError

#: Base URLs by connection type, as the services' own pages give them.
DEFAULT_BASE_URLS = {
    "checknumber": "https://api.checknumber.ai",
    "ekycpro": "https://api.ekycpro.com",
}

#: Where people see their account and its tasks. CheckNumber's own examples of its API name theirs; eKYC Pro's name
#: none, so that is its front page. A page for a single task is known of neither.
_DASHBOARDS = {
    "https://api.checknumber.ai": "https://platform.checknumber.ai",
    "https://api.ekycpro.com": "https://ekycpro.com",
}


def is_loopback(host: str) -> bool:
    """Return whether ``host`` (a name or an address without brackets) is this very machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Endpoint:
    """
    A service and the key for it.

    :param base_url: scheme, host, perhaps a port and a path prefix; no slash at the end.
    :param api_key: the account's key. Kept out of ``repr``.
    :param dashboard_url: where people see the account's tasks, None where nobody knows.
    """

    base_url: str
    api_key: str = field(repr=False)
    dashboard_url: str | None = None

    @property
    def host(self) -> str:
        """Host and port for messages, e.g. ``api.checknumber.ai``."""
        return urlsplit(self.base_url).netloc


def make_endpoint(
    *,
    conn_type: str,
    host: str | None,
    api_key: str | None,
    scheme: str | None = None,
    port: int | None = None,
    dashboard_url: str | None = None,
) -> Endpoint:
    """
    Return the endpoint that a connection's fields describe.

    :param conn_type: ``checknumber`` or ``ekycpro``; decides the host where ``host`` is empty.
    :param host: a host name, ``host:port`` or a whole URL; wins over the type's default.
    :param api_key: the account's key.
    :param scheme: ``https`` or ``http``, for a host given without one; ``https`` where empty.
    :param port: for a host given without one.
    :param dashboard_url: instead of the service's own, which is known for its own host only.
    :raises InvalidConnectionError: no key, no usable host, or plain http to anything but loopback.
    """
    key = (api_key or "").strip()
    if not key:
        raise InvalidConnectionError("The connection has no API key: put it into the password field.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise InvalidConnectionError(
            "The connection's API key holds a space, a line break or another character that no key has: "
            "paste it into the password field again."
        )
    base_url = _base_url(conn_type, (host or "").strip(), scheme, port)
    return Endpoint(base_url, key, dashboard_url or _DASHBOARDS.get(base_url))


def _base_url(conn_type: str, host: str, scheme: str | None, port: int | None) -> str:
    if not host:
        if conn_type not in DEFAULT_BASE_URLS:
            known = " or ".join(DEFAULT_BASE_URLS)
            raise InvalidConnectionError(
                f"The connection is of type {conn_type!r} and names no host: use the type {known}, or set a host."
            )
        return DEFAULT_BASE_URLS[conn_type]
    unusable = InvalidConnectionError(
        "The connection's host cannot be used: write it as a name, as host:port or as an http(s) URL "
        "without a user, a query or a fragment."
    )
    try:
        url = urlsplit(host if "://" in host else f"{scheme or 'https'}://{host}")
        name, own_port = url.hostname, url.port
    except ValueError:
        raise unusable from None
    if (
        not name
        or url.scheme not in ("http", "https")
        or "@" in url.netloc
        or url.query
        or url.fragment
        or any(character.isspace() for character in host)
    ):
        raise unusable
    if url.scheme == "http" and not is_loopback(name):
        raise InvalidConnectionError(
            f"The connection would send its API key to {name} over plain http: use https (plain http is "
            "allowed to this machine only, for the sandbox)."
        )
    shown = f"[{name}]" if ":" in name else name
    chosen_port = own_port or port
    netloc = f"{shown}:{chosen_port}" if chosen_port else shown
    return f"{url.scheme}://{netloc}{url.path.rstrip('/')}"
