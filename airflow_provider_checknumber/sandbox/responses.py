"""Answers that several endpoints give: errors as the service words them. And giving none at all."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web


class RefusedError(Exception):
    """A request that is answered with an error.

    :param status: HTTP status.
    :param error: The error's name, a word.
    :param message: What is wrong, a sentence.
    """

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error = status, error

    def response(self) -> web.Response:
        """Return the answer."""
        return error_response(self.status, self.error, str(self))


def error_response(
    status: int, error: str, message: str, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an error as the API gives it: JSON with ``error`` and ``message``."""
    return web.json_response({"error": error, "message": message}, status=status, headers=headers)


def storage_error_response(code: str, message: str) -> web.Response:
    """Return a refusal as the file storage gives it: 403 with XML."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    )
    return web.Response(status=403, text=text, content_type="application/xml")


def drop_connection(request: web.Request, *, reset: bool = False) -> web.Response:
    """Close the connection of a request; what is returned for form's sake goes nowhere.

    :param reset: Close with a TCP reset instead of an orderly end.
    """
    transport = request.transport
    if transport is not None:
        if reset:
            sock: Any = transport.get_extra_info("socket")
            # Linger on, for no time: the kernel forgets the connection and says so.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response()
