"""Receives the multipart form of a create: the file to disk as it comes, and the task type."""

from __future__ import annotations

import os
from pathlib import Path

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from airflow_provider_checknumber.sandbox.responses import RefusedError

_CHUNK_BYTES = 256 * 1024
_LONGEST_TASK_TYPE_BYTES = 1_000
#: What aiohttp raises for forms that are none, over its versions.
_MALFORMED = (AssertionError, HttpProcessingError, LookupError, RuntimeError, ValueError)


async def receive_upload(request: web.Request, target: Path, *, limit: int) -> str:
    """Write the field ``file`` to ``target`` and return the field ``task_type``.

    :param limit: Largest upload in bytes.
    :raises RefusedError: 413 above the limit, 400 for any other form than the documented one.
    """
    if request.content_type != "multipart/form-data":
        raise RefusedError(
            400, "invalid_content_type", "Send a multipart form with the fields file and task_type."
        )
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    try:
        fields = await _read_form(request, target, limit=limit)
    except _MALFORMED:
        raise RefusedError(400, "invalid_form", "The body is not a complete multipart form.") from None
    if "file" not in fields:
        raise RefusedError(400, "missing_file", "The field file is missing.")
    if not (task_type := fields.get("task_type", "").strip()):
        raise RefusedError(400, "missing_task_type", "The field task_type is missing or empty.")
    if not os.path.getsize(target):  # noqa: ASYNC240 - one look at a local file
        raise RefusedError(400, "empty_file", "The file is empty.")
    return task_type


async def _read_form(request: web.Request, target: Path, *, limit: int) -> dict[str, str]:
    """Return the fields of the form; that of the file is empty, for it is in ``target``."""
    fields: dict[str, str] = {}
    received = 0
    reader = await request.multipart()
    # Written in the event loop: a chunk goes to the page cache in less time than a thread takes to start.
    with target.open("wb") as sink:
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or part.name in fields:
                raise ValueError("a nested form, or a field that comes twice")
            value = bytearray()
            while chunk := await part.read_chunk(_CHUNK_BYTES):
                received += len(chunk)
                if received > limit:
                    raise _too_large(limit)
                if part.name == "file":
                    sink.write(chunk)
                elif len(value) <= _LONGEST_TASK_TYPE_BYTES:
                    value += chunk
            if len(value) > _LONGEST_TASK_TYPE_BYTES and part.name == "task_type":
                raise ValueError("a task type that is none")
            if part.name in ("file", "task_type"):
                fields[part.name] = value.decode()
    return fields


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, "file_too_large", f"An upload may have {limit} bytes at most.")
