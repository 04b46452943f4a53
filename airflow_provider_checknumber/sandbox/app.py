"""The endpoints: the API's, the file storage's, and the sandbox's own under ``/_sandbox``.

Translates between HTTP and :mod:`.service`; decides nothing that is not about HTTP.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from json import JSONDecodeError
from typing import Any

from aiohttp import web

from airflow_provider_checknumber.sandbox.batches import Batch
from airflow_provider_checknumber.sandbox.downloads import serve_results
from airflow_provider_checknumber.sandbox.faults import FaultError
from airflow_provider_checknumber.sandbox.responses import RefusedError, error_response
from airflow_provider_checknumber.sandbox.service import SandboxTask, Service, nanoseconds
from airflow_provider_checknumber.sandbox.strikes import REDIRECT_TARGET, strike
from airflow_provider_checknumber.sandbox.uploads import receive_upload

_log = logging.getLogger(__name__)
_SERVICE = web.AppKey("service", Service)
_API_KEY_HEADER = "X-API-Key"
_WITH_KEY = ("create", "gettasks", "balance")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(service: Service) -> web.Application:
    """Return the application that puts ``service`` on HTTP."""
    app = web.Application(middlewares=[_api, _errors_as_json])
    app[_SERVICE] = service
    router = app.router
    router.add_post("/v1/tasks", _create, name="create")
    router.add_post("/v1/gettasks", _get_task, name="gettasks")
    if service.settings.balance_endpoint:
        router.add_get("/v1/balance", _balance, name="balance", allow_head=False)
    router.add_get("/externalcheck/{task_id}/{name}", _result, name="result")
    router.add_route("*", REDIRECT_TARGET, _redirected, name="redirected")
    router.add_get("/_sandbox/state", _state, allow_head=False)
    router.add_post("/_sandbox/faults", _set_fault)
    router.add_delete("/_sandbox/faults", _clear_faults)
    router.add_delete(r"/_sandbox/faults/{id:\d+}", _clear_faults)
    return app


@web.middleware
async def _api(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Count the call and answer it: with its handler, where neither the key nor a fault is in the way."""
    endpoint = request.match_info.route.name
    if endpoint is None and request.path.startswith("/_sandbox/"):
        return await handler(request)
    service = request.app[_SERVICE]
    endpoint = endpoint or "other"
    call = _record(service, request, endpoint)
    answer = await _answer(request, handler, service, endpoint)
    if request.transport is not None and not request.transport.is_closing():
        call["status"] = answer.status
    return answer


async def _answer(
    request: web.Request, handler: _Handler, service: Service, endpoint: str
) -> web.StreamResponse:
    struck = await strike(request, service.faults, endpoint=endpoint, when="before")
    if struck is None and endpoint == "result":
        # A file is sent while it is read: what should strike between the two has to come first.
        struck = await strike(request, service.faults, endpoint=endpoint, when="after")
    if struck is not None:
        return struck
    if endpoint in _WITH_KEY and not _has_key(request, service.settings.api_key):
        return error_response(401, "unauthorized", "The API key is missing or wrong.")
    answer = await handler(request)
    if answer.status < 400 and endpoint != "result":
        struck = await strike(request, service.faults, endpoint=endpoint, when="after", answer=answer)
    return answer if struck is None else struck


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as refusal:
        return refusal.response()
    except web.HTTPMethodNotAllowed as error:
        message = f"This path takes {', '.join(sorted(error.allowed_methods))}."
        return error_response(405, "method_not_allowed", message, headers={"Allow": error.headers["Allow"]})
    except web.HTTPRequestEntityTooLarge:
        return error_response(413, "request_too_large", "The body is larger than this endpoint takes.")
    except web.HTTPException as error:
        return error_response(error.status, error.reason.lower().replace(" ", "_"), "There is nothing here.")
    except (ConnectionError, web.RequestPayloadError):
        return web.Response()  # the client has gone, and takes nothing any more
    except Exception:
        _log.exception("The sandbox failed to answer a request.")
        return error_response(500, "internal_error", "The sandbox failed to answer; its log tells why.")


async def _create(request: web.Request) -> web.StreamResponse:
    service = request.app[_SERVICE]
    upload = service.new_file()
    try:
        task_type = await receive_upload(request, upload, limit=service.settings.max_body_bytes)
        numbers, batch = await service.distill(upload, task_type)
    finally:
        with suppress(FileNotFoundError):
            upload.unlink()
    task: SandboxTask | None = None
    try:
        answer = await strike(request, service.faults, endpoint="create", when="after_body")
        if answer is not None:
            return answer
        _check_batch(service, batch)
        late = service.faults.take("accepted_202") is not None
        task = service.accept(task_type=task_type, numbers=numbers, batch=batch, read_late=late)
    finally:
        if task is None:
            numbers.unlink()
    return web.json_response(
        {
            "task_id": task.task_id,
            "status": "pending",
            "total": 0 if late else batch.numbers,
            "message": "Task created successfully",
            "created_at": nanoseconds(task.created_ns),
        },
        status=202 if late else 200,
    )


def _check_batch(service: Service, batch: Batch) -> None:
    """Refuse a batch that the service would not bill."""
    settings = service.settings
    if not batch.numbers:
        raise RefusedError(400, "no_valid_numbers", "The file holds no number in E.164 format.")
    fault = service.faults.take("min_batch", matching=lambda given: batch.numbers < given["numbers"])
    least = fault.parameters["numbers"] if fault else settings.min_batch
    if not least <= batch.numbers <= settings.max_batch:
        raise RefusedError(
            400,
            "invalid_batch_size",
            f"A batch has {least} to {settings.max_batch} distinct valid numbers, this one has {batch.numbers}.",
        )
    if not service.affords(batch):
        raise RefusedError(
            402, "insufficient_balance", f"The balance is too low for {batch.numbers} numbers."
        )


async def _get_task(request: web.Request) -> web.StreamResponse:
    service = request.app[_SERVICE]
    try:
        task_id = (await request.post()).get("task_id")
    except (AssertionError, LookupError, RuntimeError, ValueError):
        raise RefusedError(400, "invalid_form", "The body is not a form.") from None
    if not isinstance(task_id, str) or not task_id:
        raise RefusedError(400, "missing_task_id", "Send a form with the field task_id.")
    task = service.tasks.get(task_id)
    if task is None:
        raise RefusedError(404, "task_not_found", "There is no such task.")
    task.polls += 1
    fault = service.faults.take("task_status", matching=lambda given: given["task_id"] in (None, task_id))
    if fault and fault.parameters["status"] == "failed":
        service.fail(task)
    view = service.view(task)
    if fault:
        view["status"] = fault.parameters["status"]
    elif view["status"] == "exported":
        view["result_url"] = _result_url(request, service, task)
    return web.json_response(view)


def _result_url(request: web.Request, service: Service, task: SandboxTask) -> str:
    suffix = task.results.suffix if task.results else ""
    # Under the name by which the client found the sandbox, which may be that of a forwarded port.
    link = service.links.sign(f"/externalcheck/{task.task_id}/{task.task_id}{suffix}")
    return f"{request.scheme}://{request.host}{link}"


async def _balance(request: web.Request) -> web.StreamResponse:
    return web.json_response({"balance": request.app[_SERVICE].balance})


async def _result(request: web.Request) -> web.StreamResponse:
    return await serve_results(request, request.app[_SERVICE])


async def _redirected(request: web.Request) -> web.StreamResponse:
    return web.json_response({"message": "A redirect was followed to here."})


async def _state(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.app[_SERVICE].state())


async def _set_fault(request: web.Request) -> web.StreamResponse:
    try:
        fault = request.app[_SERVICE].faults.set(await request.json())
    except FaultError as error:
        raise RefusedError(400, "invalid_fault", str(error)) from None
    except (JSONDecodeError, UnicodeDecodeError, LookupError, RecursionError):
        raise RefusedError(400, "invalid_fault", "A fault is a JSON object, and this is no JSON.") from None
    return web.json_response(fault.as_json())


async def _clear_faults(request: web.Request) -> web.StreamResponse:
    fault_id = request.match_info.get("id")
    cleared = request.app[_SERVICE].faults.clear(None if fault_id is None else int(fault_id))
    if fault_id is not None and not cleared:
        raise RefusedError(404, "no_such_fault", "There is no such fault; it may be spent.")
    return web.json_response({"cleared": cleared})


def _has_key(request: web.Request, api_key: str) -> bool:
    given = request.headers.get(_API_KEY_HEADER, "")
    return hmac.compare_digest(given.encode(errors="replace"), api_key.encode())


def _record(service: Service, request: web.Request, endpoint: str) -> dict[str, Any]:
    """Write down a call, without its path: a path can be a link, or hold a number."""
    service.calls[endpoint] += 1
    has_key = _API_KEY_HEADER in request.headers
    service.keys_seen[endpoint] += has_key
    call: dict[str, Any] = {
        "at": nanoseconds(time.time_ns()),
        "endpoint": endpoint,
        "method": request.method,
        "api_key": has_key,
        "status": None,
    }
    service.recent_calls.append(call)
    return call
