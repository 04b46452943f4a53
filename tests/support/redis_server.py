"""A Redis of one's own for tests, from the ``redis-server`` that the machine has: empty, and gone afterwards."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from airflow_provider_checknumber.sandbox.demo_airflow import signals_held
from tests.support.deployment import free_port


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """
    Start a server, and kill it afterwards.

    :param folder: an existing one, for its log.
    :returns: a context manager; its value is the URL of the server's first database.
    """
    port = str(free_port())
    with (folder / "redis.log").open("wb") as log, signals_held():
        process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _wait_until_it_answers(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 30
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.exceptions.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
