"""A gate in front of a server: what happens to a connection before any HTTP is spoken.

The sandbox's own faults begin where it has received a request. What comes before (nobody listens, a
listener that does not answer, TLS that fails, a wire that is cut during the upload) happens here, to the
first connections; when the gate is opened, the rest is passed on byte for byte.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal

Fault = Literal["refuse", "ignore", "untrusted", "cut"]

#: Makes close() send a reset.
_RESET = struct.pack("ii", 1, 0)


class Gate:
    """
    A TCP port of this machine that stands for ``target``.

    :param target: the port to pass connections on to.
    :param fault: what happens to connections until :meth:`open` is called: ``refuse`` (no listener),
        ``ignore`` (a listener that never takes them, so that connecting times out), ``untrusted`` (a TLS
        certificate that nobody trusts) or ``cut`` (a reset once some of the request has been read).
    :param certificate: certificate and key in one file, for ``untrusted``.
    """

    def __init__(self, target: int, fault: Fault, *, certificate: Path | None = None) -> None:
        self._target = target
        self._fault: Fault | None = fault
        self._certificate = certificate
        self._fillers: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Gate:
        """Begin with the fault."""
        if self._fault == "ignore":
            self._listener.listen(0)
            self._fill()
        elif self._fault != "refuse":
            self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._release()

    def open(self) -> None:
        """Let connections through from now on."""
        fault, self._fault = self._fault, None
        if fault in ("refuse", "ignore"):
            self._release()
            self._listen()

    def _fill(self) -> None:
        """Fill the queue of connections that nobody takes; what comes then gets no answer from the kernel."""
        while True:
            filler = socket.socket()
            filler.settimeout(0.3)
            self._fillers.append(filler)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return

    def _release(self) -> None:
        while self._fillers:
            self._fillers.pop().close()

    def _listen(self) -> None:
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._handle, args=(client, self._fault), daemon=True).start()

    def _handle(self, client: socket.socket, fault: Fault | None) -> None:
        with contextlib.suppress(OSError), client:
            if fault == "cut":
                client.recv(1024)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            elif fault == "untrusted":
                self._shake_hands(client)
            else:
                with socket.create_connection(("127.0.0.1", self._target)) as server:
                    back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
                    back.start()
                    _pass_on(client, server)
                    back.join()

    def _shake_hands(self, client: socket.socket) -> None:
        assert self._certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        context.wrap_socket(client, server_side=True).close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65_536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
