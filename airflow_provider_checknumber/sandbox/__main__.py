"""``checknumber-sandbox``: runs the sandbox until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields

from airflow_provider_checknumber.sandbox.server import running
from airflow_provider_checknumber.sandbox.settings import RESULT_SHAPES, SERVICES, SandboxSettings

#: Options that are a setting of the same name: their type and meaning.
_VALUES: dict[str, tuple[type, str]] = {
    "host": (str, "address to listen on"),
    "speed": (float, "numbers a second in each task, inf for all at once"),
    "queue_seconds": (float, "time that a task is pending"),
    "undetermined": (float, "share of numbers without an answer, 0 to 1"),
    "balance": (float, "money at the start"),
    "price": (float, "money for a number"),
    "min_batch": (int, "smallest batch"),
    "max_batch": (int, "largest batch"),
    "max_body_bytes": (int, "largest upload"),
    "link_ttl": (float, "seconds that a result link lives"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Prints one line of JSON once it serves: ``url``, ``api_key`` and the Airflow connection under the name of
    its environment variable.

    :param arguments: Command line, ``sys.argv`` by default.
    :return: Exit status: 0 after a signal, 1 if it could not start.
    """
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    given["result_shape"] = frozenset(given["result_shape"])
    try:
        settings = SandboxSettings(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        parser.error(str(error))
    try:
        asyncio.run(_serve(settings))
    except OSError as error:
        print(_complaint(error, settings), file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(settings: SandboxSettings) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    async with running(settings) as sandbox:
        line = {"url": sandbox.url, "api_key": sandbox.api_key, **sandbox.environment}
        print(json.dumps(line), flush=True)  # noqa: T201
        await stop.wait()


def _complaint(error: OSError, settings: SandboxSettings) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} on {settings.host} is taken: stop what listens there, "
            "or take a free port with --port 0."
        )
    if settings.tls_cert is not None and error.errno != errno.EADDRNOTAVAIL:
        return f"The sandbox could not start with these TLS files: {error.strerror or error}."
    return f"The sandbox could not listen on {settings.host} port {settings.port}: {error.strerror or error}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="checknumber-sandbox",
        description="The CheckNumber and eKYC Pro service on localhost, with invented answers.",
        epilog=(
            "While it runs: GET /_sandbox/state tells tasks, charges and calls; POST /_sandbox/faults sets a "
            'fault, for example \'{"kind": "status", "endpoint": "gettasks", "status": 503, "times": 2}\'; '
            "DELETE /_sandbox/faults clears them. The sandbox's own paths need no key: leave it on loopback."
        ),
    )
    add = parser.add_argument
    add("--service", choices=SERVICES, default=SERVICES[0], help="connection type handed out (%(default)s)")
    add("--port", type=int, default=8787, help="port to listen on, 0 for a free one (%(default)s)")
    add("--api-key", help="key that is accepted (a random one)")
    default = {field.name: field.default for field in fields(SandboxSettings)}
    for name, (kind, meaning) in _VALUES.items():
        option = f"--{name.replace('_', '-')}"
        add(option, type=kind, default=default[name], help=f"{meaning} (%(default)s)")
    add(
        "--no-balance-endpoint",
        dest="balance_endpoint",
        action="store_false",
        help="a deployment without GET /v1/balance",
    )
    add(
        "--result-shape",
        nargs="+",
        choices=RESULT_SHAPES,
        default=[],
        help="ways in which results differ from a zip with a comma-separated all.csv",
    )
    add("--tls-cert", help="certificate chain (PEM), to serve https")
    add("--tls-key", help="its private key (PEM)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
