"""Serves result files to whoever holds a good link, whole or in ranges, or spoilt by a fault."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from airflow_provider_checknumber.sandbox.links import LinkRefusedError
from airflow_provider_checknumber.sandbox.responses import drop_connection, storage_error_response
from airflow_provider_checknumber.sandbox.service import Service

_CONTENT_TYPES = {".zip": "application/zip", ".csv": "text/csv"}
_CHUNK_BYTES = 256 * 1024
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
        return await _send(request, results)
    if service.faults.take("expired_link"):
        return storage_error_response("AccessDenied", "Request has expired")
    task.downloads += 1
    if fault := service.faults.take(*_DAMAGES):
        results = await service.damaged(results, _DAMAGES[fault.kind])
    drop = service.faults.take("drop_download")
    return await _send(request, results, at_most=drop.parameters["bytes"] if drop else None)


async def _send(request: web.Request, path: Path, *, at_most: int | None = None) -> web.StreamResponse:
    """Send a file or the part of it that was asked for.

    Not an :class:`aiohttp.web.FileResponse`, because that does not know an ETag in ``If-Range``.

    :param at_most: Close the connection after this many bytes, if that is before the end.
    """
    stat = path.stat()  # noqa: ASYNC240 - one look at a local file
    response = web.StreamResponse(
        headers={"Accept-Ranges": "bytes", "Content-Type": _CONTENT_TYPES[path.suffix]}
    )
    response.etag = f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
    response.last_modified = int(stat.st_mtime)
    whole = range(stat.st_size)
    part = _asked_for(request, whole, (response.headers["ETag"], response.headers["Last-Modified"]))
    if part is None:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{stat.st_size}"})
    response.content_length = len(part)
    if part is not whole:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{stat.st_size}"
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    left = len(part) if at_most is None else min(at_most, len(part))
    dropped = left < len(part)
    with path.open("rb") as file:
        file.seek(part.start)
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            await response.write(chunk)
            left -= len(chunk)
    if dropped:
        drop_connection(request)
    return response


def _asked_for(request: web.Request, whole: range, validators: tuple[str, str]) -> range | None:
    """Return which bytes of a file are asked for: ``whole`` itself, a part, or ``None`` for none that it has.

    As on S3, a ``Range`` that cannot be read, or is for another file, means the whole.
    """
    try:
        asked = request.http_range
    except ValueError:
        return whole
    if (asked.start, asked.stop) == (None, None) or request.headers.get(
        "If-Range", validators[0]
    ) not in validators:
        return whole
    if asked.start is not None and asked.start >= len(whole):
        return None
    return whole[asked]
