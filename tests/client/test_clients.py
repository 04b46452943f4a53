"""Both clients against the sandbox over real HTTP; what holds for one has to hold for the other."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_checknumber.client import (
    AsyncCheckNumberClient,
    AuthenticationError,
    BadRequestError,
    BatchSizeError,
    CheckNumberClient,
    CheckNumberError,
    ConnectionLostError,
    Endpoint,
    FileTooLargeError,
    GatewayError,
    InsufficientBalanceError,
    InternalServerError,
    InvalidConnectionError,
    RateLimitedError,
    RequestRefusedError,
    ServiceUnreachableError,
    TaskNotFoundError,
    TaskStatus,
    Timing,
    UnreadableAnswerError,
)
from airflow_provider_checknumber.sandbox import Sandbox

Ask = Callable[..., Any]
ONE_TRY = Timing(connect=2, read=2, submit=2, attempts=1)


def ask_sync(endpoint: Endpoint, method: str, *arguments: Any, timing: Timing = ONE_TRY) -> Any:
    with CheckNumberClient(endpoint, timing=timing) as client:
        return getattr(client, method)(*arguments)


def ask_async(endpoint: Endpoint, method: str, *arguments: Any, timing: Timing = ONE_TRY) -> Any:
    async def ask() -> Any:
        async with AsyncCheckNumberClient(endpoint, timing=timing) as client:
            return await getattr(client, method)(*arguments)

    return asyncio.run(ask())


@pytest.fixture(params=[ask_sync, ask_async], ids=["requests", "aiohttp"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    yield shared_sandbox
    shared_sandbox.clear_faults()


@pytest.fixture
def endpoint(sandbox: Sandbox) -> Endpoint:
    return Endpoint(sandbox.url, sandbox.api_key)


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text("".join(f"+1202555{line:04}\n" for line in range(50)))
    return path


def charges(sandbox: Sandbox) -> int:
    return len(sandbox.state()["charges"])


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server that does to each connection what ``serve`` says; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def loop() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_file_is_submitted_asked_for_and_exported(ask: Ask, endpoint: Endpoint, numbers: Path) -> None:
    task = ask(endpoint, "submit_task", numbers, "Twitter")
    assert task.total == 50
    while not (done := ask(endpoint, "get_task", task.task_id)).status.is_terminal:
        time.sleep(0.05)
    assert (done.task_id, done.status, done.total) == (task.task_id, TaskStatus.EXPORTED, 50)
    assert done.result_url.startswith("http://127.0.0.1")
    assert isinstance(ask(endpoint, "get_balance"), Decimal)


def test_202_is_an_accepted_create(ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path) -> None:
    sandbox.set_fault("accepted_202")
    task = ask(endpoint, "submit_task", numbers, "htx")
    assert (task.total, task.status) == (0, TaskStatus.PENDING)


def test_a_large_file_is_streamed_whole(ask: Ask, endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("".join(f"+1{line:010}\n" for line in range(2_000_000_000, 2_000_300_000)))
    assert ask(endpoint, "submit_task", path, "Twitter").total == 300_000


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 400}, BadRequestError),
        ({"status": 401}, AuthenticationError),
        ({"status": 402}, InsufficientBalanceError),
        ({"status": 413}, FileTooLargeError),
        ({"status": 429, "retry_after": 7}, RateLimitedError),
        ({"status": 500, "body": "html"}, InternalServerError),
        ({"status": 502, "body": "empty"}, GatewayError),
    ],
)
def test_a_refused_create_has_the_error_of_its_status_and_is_sent_once(
    ask: Ask,
    sandbox: Sandbox,
    endpoint: Endpoint,
    numbers: Path,
    fault: dict[str, Any],
    error: type[CheckNumberError],
) -> None:
    sandbox.set_fault("status", endpoint="create", times=1, **fault)
    before = sandbox.state()
    with pytest.raises(error) as caught:
        ask(endpoint, "submit_task", numbers, "Twitter", timing=Timing(attempts=5))
    assert type(caught.value) is error
    after = sandbox.state()
    assert len(after["charges"]) == len(before["charges"])
    assert after["calls"]["create"] == before["calls"]["create"] + 1
    assert getattr(caught.value, "retry_after", None) == fault.get("retry_after")


@pytest.mark.parametrize("when", ["after_body", "after"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_create_whose_connection_breaks_after_the_upload_is_of_unknown_outcome_and_sent_once(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path, when: str, reset: bool
) -> None:
    sandbox.set_fault("drop", endpoint="create", when=when, reset=reset)
    before = charges(sandbox)
    with pytest.raises(ConnectionLostError) as caught:
        ask(endpoint, "submit_task", numbers, "Twitter")
    assert caught.value.create_accepted is None
    assert charges(sandbox) == before + (when == "after")


def test_a_create_whose_connection_breaks_before_the_upload_is_not_repeated_either(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path
) -> None:
    # Whether the client had begun to send the body when the connection went is a race that both win.
    sandbox.set_fault("drop", endpoint="create", when="before")
    before = sandbox.state()
    with pytest.raises((ConnectionLostError, ServiceUnreachableError)):
        ask(endpoint, "submit_task", numbers, "Twitter")
    after = sandbox.state()
    assert after["charges"] == before["charges"]
    assert after["calls"]["create"] == before["calls"]["create"] + 1


def test_a_create_that_gets_no_answer_in_time_is_of_unknown_outcome(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path
) -> None:
    sandbox.set_fault("hold", endpoint="create")
    with pytest.raises(ConnectionLostError, match="in time") as caught:
        ask(endpoint, "submit_task", numbers, "Twitter", timing=Timing(submit=0.3))
    assert caught.value.create_accepted is None


@pytest.mark.parametrize("body", ["text", "html", "empty", "truncated"])
def test_a_create_whose_answer_cannot_be_read_is_of_unknown_outcome(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path, body: str
) -> None:
    sandbox.set_fault("unreadable", endpoint="create", body=body)
    with pytest.raises((UnreadableAnswerError, ConnectionLostError)) as caught:
        ask(endpoint, "submit_task", numbers, "Twitter")
    assert caught.value.create_accepted is None


def test_a_refused_connection_has_certainly_sent_nothing(ask: Ask, numbers: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ServiceUnreachableError, match="refused the connection") as caught:
        ask(Endpoint(f"http://127.0.0.1:{port}", "key"), "submit_task", numbers, "Twitter")
    assert caught.value.create_accepted is False


def test_an_unknown_name_has_certainly_sent_nothing(ask: Ask, numbers: Path) -> None:
    with pytest.raises(ServiceUnreachableError, match="name could not be resolved"):
        ask(Endpoint("https://nowhere.invalid", "key"), "submit_task", numbers, "Twitter")


def test_a_failed_tls_handshake_has_certainly_sent_nothing(ask: Ask, sandbox: Sandbox, numbers: Path) -> None:
    with pytest.raises(ServiceUnreachableError, match="TLS"):
        ask(Endpoint(sandbox.url.replace("http:", "https:"), "key"), "submit_task", numbers, "Twitter")


def test_a_name_that_cannot_be_one_is_told(ask: Ask, numbers: Path) -> None:
    with pytest.raises((InvalidConnectionError, ServiceUnreachableError)):
        ask(Endpoint("https://a..b", "key"), "submit_task", numbers, "Twitter")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_repeated_on_passing_statuses(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path, status: int
) -> None:
    task_id = ask(endpoint, "submit_task", numbers, "Twitter").task_id
    sandbox.set_fault("status", endpoint="gettasks", status=status, times=2)
    assert ask(endpoint, "get_task", task_id, timing=Timing(attempts=3)).task_id == task_id


def test_a_read_is_repeated_when_its_connection_breaks(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path
) -> None:
    task_id = ask(endpoint, "submit_task", numbers, "Twitter").task_id
    sandbox.set_fault("drop", endpoint="gettasks", times=2)
    assert ask(endpoint, "get_task", task_id, timing=Timing(attempts=3)).task_id == task_id


def test_a_read_gives_up_with_the_last_error(ask: Ask, sandbox: Sandbox, endpoint: Endpoint) -> None:
    sandbox.set_fault("status", endpoint="gettasks", status=503, times=None)
    before = sandbox.state()["calls"]["gettasks"]
    with pytest.raises(GatewayError, match="503"):
        ask(endpoint, "get_task", "any", timing=Timing(attempts=2))
    assert sandbox.state()["calls"]["gettasks"] == before + 2


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_read_that_cannot_work_is_not_repeated(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, status: int
) -> None:
    sandbox.set_fault("status", endpoint="gettasks", status=status, times=None)
    before = sandbox.state()["calls"]["gettasks"]
    with pytest.raises(CheckNumberError, match=str(status)):
        ask(endpoint, "get_task", "any", timing=Timing(attempts=5))
    assert sandbox.state()["calls"]["gettasks"] == before + 1


def test_a_wrong_key_and_a_missing_task_are_told_apart(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint
) -> None:
    with pytest.raises(AuthenticationError):
        ask(Endpoint(sandbox.url, "wrong"), "get_task", "any")
    with pytest.raises(TaskNotFoundError):
        ask(endpoint, "get_task", "any")


def test_a_deployment_without_a_balance_answers_none(ask: Ask) -> None:
    with Sandbox(balance_endpoint=False) as sandbox:
        assert ask(Endpoint(sandbox.url, sandbox.api_key), "get_balance") is None


def test_a_list_below_the_smallest_batch_is_told(ask: Ask, numbers: Path) -> None:
    with Sandbox(min_batch=500) as sandbox:
        with pytest.raises(BatchSizeError):
            ask(Endpoint(sandbox.url, sandbox.api_key), "submit_task", numbers, "Twitter")
        assert charges(sandbox) == 0


@pytest.mark.parametrize("method", ["submit_task", "get_task"])
def test_a_redirect_is_refused_and_the_key_does_not_follow_it(
    ask: Ask, sandbox: Sandbox, endpoint: Endpoint, numbers: Path, method: str
) -> None:
    heard: list[bytes] = []
    with listener(lambda connection: heard.append(connection.recv(65_536))) as elsewhere:
        name = "create" if method == "submit_task" else "gettasks"
        sandbox.set_fault("redirect", endpoint=name, location=elsewhere, status=307)
        arguments = (numbers, "Twitter") if method == "submit_task" else ("any",)
        with pytest.raises(RequestRefusedError, match="redirect"):
            ask(endpoint, method, *arguments)
    assert heard == []


def test_an_endless_answer_is_cut_off(ask: Ask) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        try:
            while True:
                connection.sendall(b" " * 65_536)
        except OSError:
            return

    with listener(flood) as url, pytest.raises((UnreadableAnswerError, ConnectionLostError)):
        ask(Endpoint(url, "key"), "get_task", "any")


def test_an_answer_that_drips_is_cut_off_in_time(ask: Ask) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while not stop.wait(0.05):
                connection.sendall(b" ")
        except OSError:
            return

    with listener(drip) as url:
        with pytest.raises(ConnectionLostError):
            ask(Endpoint(url, "key"), "get_task", "any", timing=Timing(read=0.5, attempts=1))
        stop.set()


def test_no_error_shows_the_key(ask: Ask, sandbox: Sandbox) -> None:
    key = "KEY-THAT-MUST-NOT-SHOW"
    for fault in ({"kind": "status", "status": 500, "message": f"bad {key}"}, {"kind": "drop"}):
        sandbox.set_fault(endpoint="gettasks", **fault)
        with pytest.raises(CheckNumberError) as caught:
            ask(Endpoint(sandbox.url, key), "get_task", "any")
        seen, error = "", caught.value
        while error is not None:
            seen += repr(error)
            error = None if error.__suppress_context__ else error.__context__  # type: ignore[assignment]
        assert key not in seen
