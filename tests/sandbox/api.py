"""A caller of the sandbox that owes nothing to the provider's client: requests, and the documented forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import requests

from airflow_provider_checknumber.sandbox import Sandbox

TIMEOUT = 30


def numbers(count: int, *, first: int = 0) -> list[str]:
    return [f"+1202{first + index:07}" for index in range(count)]


class Api:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.headers = {"X-API-Key": sandbox.api_key}

    def create(
        self, lines: Iterable[str] | bytes = ("+12025551234",), task_type: str = "Twitter", **options: Any
    ) -> requests.Response:
        body = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
        return requests.post(
            f"{self.sandbox.url}/v1/tasks",
            files={"file": ("numbers.txt", body)},
            data={"task_type": task_type},
            **{"headers": self.headers, "timeout": TIMEOUT, "allow_redirects": False, **options},
        )

    def get(self, task_id: str, **options: Any) -> requests.Response:
        return requests.post(
            f"{self.sandbox.url}/v1/gettasks",
            data={"task_id": task_id},
            **{"headers": self.headers, "timeout": TIMEOUT, "allow_redirects": False, **options},
        )

    def balance(self) -> requests.Response:
        return requests.get(f"{self.sandbox.url}/v1/balance", headers=self.headers, timeout=TIMEOUT)

    def exported(self, task_id: str) -> dict[str, Any]:
        return until(lambda: self.get(task_id).json(), lambda task: task["status"] == "exported")

    def result_url(self, lines: Iterable[str] | bytes = ("+12025551234",), task_type: str = "Twitter") -> str:
        task = self.exported(self.create(lines, task_type).json()["task_id"])
        return str(task["result_url"])

    def fault(self, **fault: Any) -> requests.Response:
        return requests.post(f"{self.sandbox.url}/_sandbox/faults", json=fault, timeout=TIMEOUT)

    def charged(self) -> int:
        return len(self.sandbox.state()["charges"])


def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Ask until the answer is good; a minute is more than anything here takes."""
    deadline = time.monotonic() + 60
    while not good(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.01)
    return answer
