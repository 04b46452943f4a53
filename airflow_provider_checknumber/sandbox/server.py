"""Runs a sandbox: in an event loop of the caller's, or in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web

from airflow_provider_checknumber.sandbox.app import make_app
from airflow_provider_checknumber.sandbox.service import Service
from airflow_provider_checknumber.sandbox.settings import SandboxSettings

_T = TypeVar("_T")
#: Enough for the ten thousand triggers of a backfill that all connect at once.
_BACKLOG = 4_096
#: Seconds that a request may still take when the sandbox ends. Held ones would take for ever.
_SHUTDOWN_SECONDS = 0.25


class RunningSandbox:
    """A sandbox that is up: where it is and how Airflow gets to it."""

    def __init__(self, service: Service, url: str) -> None:
        self.service = service
        self.url = url
        self.api_key = service.settings.api_key

    @property
    def connection_json(self) -> str:
        """The Airflow connection to this sandbox, as JSON."""
        return json.dumps(
            {
                "conn_type": self.service.settings.service,
                "host": self.url,
                "password": self.api_key,
                "extra": {"dashboard_url": f"{self.url}/_sandbox/state"},
            }
        )

    @property
    def connection_uri(self) -> str:
        """The Airflow connection to this sandbox, as a URI."""
        return f"{self.service.settings.service}://:{quote(self.api_key, safe='')}@{quote(self.url, safe='')}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variable that makes this sandbox the default connection of its type."""
        return {f"AIRFLOW_CONN_{self.service.settings.service.upper()}_DEFAULT": self.connection_json}


@asynccontextmanager
async def running(settings: SandboxSettings) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox in the current event loop for as long as the block takes.

    :raises OSError: if it cannot listen where it should, or the TLS files cannot be used.
    """
    tls = _tls_context(settings)
    listener = _listen(settings)
    service = Service(settings)
    runner = web.AppRunner(make_app(service), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        handlers = runner.server
        assert handlers is not None  # noqa: S101 - set by setup()

        def on_connection() -> asyncio.BaseProtocol:
            service.connections_opened += 1
            return handlers()

        server = await asyncio.get_running_loop().create_server(
            on_connection, sock=listener, ssl=tls, backlog=_BACKLOG
        )
        try:
            yield RunningSandbox(service, _url(settings, listener.getsockname()[1]))
        finally:
            server.close()
            await runner.cleanup()
    finally:
        listener.close()
        await asyncio.to_thread(service.close)


class Sandbox:
    """The service on localhost, in a thread of this process.

    .. code-block:: python

        with Sandbox(speed=100, queue_seconds=0) as sandbox:
            os.environ.update(sandbox.environment)
            sandbox.set_fault("status", endpoint="gettasks", status=503, times=2)
            ...
            assert len(sandbox.state()["charges"]) == 1

    :param settings: See :class:`SandboxSettings`.
    :raises ValueError: if a setting makes no sense.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = SandboxSettings(**settings)
        self._thread: threading.Thread | None = None
        self._up = threading.Event()
        self._running: RunningSandbox | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Sandbox:
        """Start the sandbox and wait until it answers.

        :raises OSError: if it cannot listen where it should, or the TLS files cannot be used.
        """
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(),), name="checknumber-sandbox", daemon=True
        )
        self._thread.start()
        self._up.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the sandbox; requests that are held get no answer, and its files are removed."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        return self._up_and_running.url

    @property
    def api_key(self) -> str:
        """The key that is accepted."""
        return self._up_and_running.api_key

    @property
    def connection_json(self) -> str:
        """The Airflow connection to this sandbox, as JSON."""
        return self._up_and_running.connection_json

    @property
    def connection_uri(self) -> str:
        """The Airflow connection to this sandbox, as a URI."""
        return self._up_and_running.connection_uri

    @property
    def environment(self) -> dict[str, str]:
        """The environment variable that makes this sandbox the default connection of its type."""
        return self._up_and_running.environment

    def state(self) -> dict[str, Any]:
        """Return what ``GET /_sandbox/state`` tells: tasks, charges, calls, balance, faults."""
        return self._in_loop(self._up_and_running.service.state)

    def set_fault(self, kind: str, **parameters: Any) -> int:
        """Set a fault, see :mod:`.faults` for kinds and parameters.

        :return: The fault's id, for :meth:`clear_faults`.
        :raises FaultError: if there is no such fault.
        """
        faults = self._up_and_running.service.faults
        return self._in_loop(lambda: faults.set({"kind": kind, **parameters}).id)

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Take back one fault, or all of them, and let go whom they hold. Returns how many there were."""
        faults = self._up_and_running.service.faults
        return self._in_loop(lambda: faults.clear(fault_id))

    @property
    def _up_and_running(self) -> RunningSandbox:
        if self._running is None:
            raise RuntimeError("The sandbox is not running: use it as a context manager.")
        return self._running

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with running(self._settings) as self._running:
                self._up.set()
                await self._stop.wait()
        except Exception as error:
            self._error = error
        finally:
            self._running = None
            self._up.set()

    def _in_loop(self, function: Callable[[], _T]) -> _T:
        async def call() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()


def _listen(settings: SandboxSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)


def _tls_context(settings: SandboxSettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


def _url(settings: SandboxSettings, port: int) -> str:
    # An address that means "all" is none to connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
