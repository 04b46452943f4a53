"""What a fault does to a request that meets it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import web

from airflow_provider_checknumber.sandbox.faults import Fault, FaultBoard
from airflow_provider_checknumber.sandbox.responses import drop_connection, error_response

#: Where redirects lead to unless a fault says otherwise.
REDIRECT_TARGET = "/_sandbox/redirected"

_HTML = "<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
_UNREADABLE = {
    "text": ("It worked!", "text/plain"),
    "html": (_HTML, "text/html"),
    "empty": ("", "text/plain"),
}


async def strike(
    request: web.Request,
    faults: FaultBoard,
    *,
    endpoint: str,
    when: str,
    answer: web.StreamResponse | None = None,
) -> web.StreamResponse | None:
    """Let the faults that are due at this point act, oldest first.

    :param when: ``before``, ``after_body`` or ``after``, see :mod:`.faults`.
    :param answer: What would be answered without a fault, at the point ``after``.
    :return: What to answer instead; ``None`` if the request may go on.
    """
    for fault in faults.due(endpoint, when):
        if fault.times == 0 or fault.cleared.is_set():
            continue  # while this request waited for an older one
        fault.strike()
        if fault.kind == "hold":
            await fault.hold()
        elif fault.kind == "delay":
            with suppress(TimeoutError):
                await asyncio.wait_for(fault.hold(), fault.parameters["seconds"])
        else:
            return _final(request, fault, answer)
    return None


def _final(request: web.Request, fault: Fault, answer: web.StreamResponse | None) -> web.StreamResponse:
    if fault.kind == "drop":
        return drop_connection(request, reset=fault.parameters["reset"])
    if fault.kind == "redirect":
        location = fault.parameters["location"] or _other_host(request)
        return web.Response(status=fault.parameters["status"], headers={"Location": location})
    if fault.kind == "unreadable":
        return _unreadable(fault.parameters["body"], answer)
    return _error(fault.parameters)


def _error(parameters: dict[str, Any]) -> web.Response:
    status = parameters["status"]
    retry_after = parameters["retry_after"]
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    error, message = (
        parameters["error"] or "sandbox_fault",
        parameters["message"] or "A fault was switched on.",
    )
    if parameters["body"] == "json":
        return error_response(status, error, message, headers=headers)
    text, content_type = {
        "text": (message, "text/plain"),
        "html": (_HTML, "text/html"),
        "empty": ("", "text/plain"),
    }[parameters["body"]]
    return web.Response(status=status, text=text, content_type=content_type, headers=headers)


def _unreadable(body: str, answer: web.StreamResponse | None) -> web.Response:
    status = 200 if answer is None else answer.status
    if body != "truncated":
        text, content_type = _UNREADABLE[body]
        return web.Response(status=status, text=text, content_type=content_type)
    whole = answer.text if isinstance(answer, web.Response) else None
    whole = whole or json.dumps({"message": "cut short"})
    return web.Response(status=status, text=whole[: len(whole) // 2], content_type="application/json")


def _other_host(request: web.Request) -> str:
    """Return an address at which this sandbox answers too, under a host name that is not the request's."""
    host = "127.0.0.1" if request.host.startswith("localhost") else "localhost"
    port = request.get_extra_info("sockname")[1]
    return f"{request.scheme}://{host}:{port}{REDIRECT_TARGET}"
