"""A host of result links that can be told to misbehave, for what the sandbox does not do."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from airflow_provider_checknumber.client import Timing

Behaviour = Callable[[BaseHTTPRequestHandler], None]

#: What the host of the fixture ``host`` holds.
CONTENT = os.urandom(700_000)

#: For downloads that are to give up soon.
QUICK = Timing(connect=2.0, read=2.0, attempts=2)


@dataclass
class Host:
    """What the host holds, what it was asked, and how it is to answer the next requests."""

    content: bytes
    url: str = ""
    etag: str | None = '"one"'
    requests: list[dict[str, str]] = field(default_factory=list)
    #: Taken one a request; when there are none left, the host behaves.
    behaviours: list[Behaviour] = field(default_factory=list)

    def behave(self, handler: BaseHTTPRequestHandler) -> None:
        """Give the file out, or the part of it that was asked for."""
        start = self._start(handler)
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Length", str(len(self.content) - start))
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        handler.wfile.write(self.content[start:])

    def _start(self, handler: BaseHTTPRequestHandler) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        condition = handler.headers.get("If-Range")
        return int(asked[1]) if asked and condition in (None, self.etag) else 0


def status(code: int, **headers: str) -> Behaviour:
    """Answer with a status and nothing else."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def breaking_off(host: Host, after: int) -> Behaviour:
    """Give the file out as it should be, but close the connection after so many bytes of it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        write = handler.wfile.write
        left = [after]
        end_headers = handler.end_headers

        def then_watch() -> None:
            end_headers()
            handler.wfile.write = lambda data: write(data[: left[0]])  # type: ignore[method-assign]

        handler.end_headers = then_watch  # type: ignore[method-assign]
        host.behave(handler)
        handler.close_connection = True

    return answer


@contextmanager
def hosting(content: bytes) -> Iterator[Host]:
    """Run a host on a free port of this machine."""
    host = Host(content)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.requests.append({**self.headers, "path": self.path})
            (host.behaviours.pop(0) if host.behaviours else host.behave)(self)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that went away, which some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
