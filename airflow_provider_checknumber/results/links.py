"""
Where results may be taken from, and how a link is kept out of what others read.

A result link is a credential: whoever holds it can read the numbers. Messages name its host only.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from airflow_provider_checknumber.client.endpoint import is_loopback
from airflow_provider_checknumber.results.errors import ResultLinkRefusedError

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


def check_link(link: str, *, result_hosts: Sequence[str] = ()) -> str:
    """
    Return the host of a result link that may be followed.

    :param link: the link.
    :param result_hosts: the hosts that results may come from, each a name or ``*.`` and the end of one;
        default: any.
    :raises ResultLinkRefusedError: when it is neither ``https`` nor ``http`` to this machine, or its host
        is not among ``result_hosts``.
    """
    try:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
        _ = parts.port
    except ValueError:
        host = ""
    # Anything else in a host is read in one way here and in another by the library that connects to it.
    if not host or not _HOST.fullmatch(parts.netloc) or any(map(str.isspace, link)):
        raise ResultLinkRefusedError("The service gave a result link that is no usable URL; ask it again.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ResultLinkRefusedError(
            f"The result link to {host} is not https; results are taken over https only (plain http from this "
            "machine only)."
        )
    if result_hosts and not any(_matches(host, pattern) for pattern in result_hosts):
        raise ResultLinkRefusedError(
            f"The result link leads to {host}, which is not among the connection's result_hosts; add it there "
            "if results may come from it."
        )
    return host


def _matches(host: str, pattern: str) -> bool:
    pattern = pattern.strip().lower()
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


@contextmanager
def links_kept_from_logs() -> Iterator[None]:
    """Keep urllib3, which logs every address it asks for at DEBUG, from writing links into task logs."""
    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(_without_queries)
    try:
        yield
    finally:
        logger.removeFilter(_without_queries)


def _without_queries(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            value.partition("?")[0] if isinstance(value, str) else value for value in record.args
        )
    return True
