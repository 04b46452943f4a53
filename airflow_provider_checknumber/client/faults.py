"""What broke on the wire, in plain words and as the provider's own errors. No message quotes a URL."""

from __future__ import annotations

import socket
import ssl

from airflow_provider_checknumber.client.endpoint import Endpoint
from airflow_provider_checknumber.client.errors import ConnectionLostError, ServiceUnreachableError

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "its TLS certificate could not be verified"),
    (ssl.SSLError, "TLS failed"),
    (socket.gaierror, "its name could not be resolved"),
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionResetError, "it reset the connection"),
    (BrokenPipeError, "it closed the connection"),
    (TimeoutError, "it did not answer in time"),
)


def unreachable(endpoint: Endpoint, error: BaseException) -> ServiceUnreachableError:
    """Return the error for a connection that never stood, so that nothing was sent."""
    return ServiceUnreachableError(
        f"{endpoint.host} could not be reached ({_describe(error)}); nothing was sent. Check the connection's "
        "host and the network."
    )


def lost(endpoint: Endpoint, error: BaseException) -> ConnectionLostError:
    """Return the error for a connection that broke after the request may have been sent."""
    return ConnectionLostError(
        f"The connection to {endpoint.host} was lost before its answer was read ({_describe(error)})."
    )


def _describe(error: BaseException) -> str:
    """Name the innermost known kind of fault; HTTP libraries wrap the system's error several times over."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    found: list[BaseException] = []
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        found.append(current)
        waiting += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
    for kind, words in _KINDS:
        if any(isinstance(one, kind) for one in found):
            return words
    if any("timeout" in type(one).__name__.lower() for one in found):
        return "it did not answer in time"
    return type(error).__name__
