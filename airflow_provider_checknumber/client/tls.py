"""Whom the asynchronous client trusts: whom ``requests`` trusts too, so that both reach the same hosts."""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path

import certifi


def ssl_context() -> ssl.SSLContext:
    """Return the TLS settings: the system's authorities, and the file or folder ``requests`` is told to use."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    return _context(bundle)


@cache  # Loading the authorities takes tens of milliseconds, which an event loop should not spend twice.
def _context(bundle: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if Path(bundle).is_dir():
        context.load_verify_locations(capath=bundle)
    elif Path(bundle).is_file():
        context.load_verify_locations(cafile=bundle)
    return context
