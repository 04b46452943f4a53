"""Serves result files to whoever holds a good link, whole or in ranges, or spoilt by a fault."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from airflow_provider_checknumber.sandbox.faults import FaultBoard
from airflow_provider_checknumber.sandbox.links import LinkRefusedError
from airflow_provider_checknumber.sandbox.responses import drop_connection, storage_error_response
from airflow_provider_checknumber.sandbox.service import Service

_CONTENT_TYPES = {".zip": "application/zip", ".csv": "text/csv"}
_DAMAGES = {"truncated_archive": "truncated", "corrupt_archive": "corrupt", "not_a_zip": "not_a_zip"}


async def serve_results(request: web.Request, service: Service) -> web.StreamResponse:
    """Answer ``GET`` and ``HEAD`` of a result link."""
    try:
        service.links.check(request.path, request.query)
    except LinkRefusedError as refusal:
        return storage_error_response(refusal.code, str(refusal))
    # A good signature was made for a task that has its results.
    task = service.tasks[request.match_info["task_id"]]
    results = task.results
    if results is None:
        raise web.HTTPNotFound
    if request.method == "HEAD":
        return _file_response(results)
    if service.faults.take("expired_link"):
        return storage_error_response("AccessDenied", "Request has expired")
    task.downloads += 1
    if fault := service.faults.take(*_DAMAGES):
        results = await service.damaged(results, _DAMAGES[fault.kind])
    return await _dropped(request, results, service.faults) or _file_response(results)


def _file_response(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={"Content-Type": _CONTENT_TYPES[path.suffix]})


async def _dropped(request: web.Request, path: Path, faults: FaultBoard) -> web.StreamResponse | None:
    """Send the beginning of what was asked for and close the connection, if a fault says so."""
    stat = path.stat()  # noqa: ASYNC240 - one look at a local file
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'  # as FileResponse makes it, so that one can resume
    start = 0
    if request.headers.get("If-Range", etag) == etag:
        try:
            start = request.http_range.start or 0
        except ValueError:
            return None
    start = max(0, start + stat.st_size) if start < 0 else start
    remaining = stat.st_size - start
    fault = faults.take("drop_download", matching=lambda parameters: parameters["bytes"] < remaining)
    if fault is None:
        return None
    response = web.StreamResponse(
        status=206 if start else 200,
        headers={"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": _CONTENT_TYPES[path.suffix]},
    )
    if start:
        response.headers["Content-Range"] = f"bytes {start}-{stat.st_size - 1}/{stat.st_size}"
    response.content_length = remaining
    await response.prepare(request)
    with path.open("rb") as file:
        file.seek(start)
        left: int = fault.parameters["bytes"]
        while left and (chunk := file.read(min(left, 256 * 1024))):
            await response.write(chunk)
            left -= len(chunk)
    drop_connection(request)
    return response
