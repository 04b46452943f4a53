from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.sandbox.api import TIMEOUT, Api, numbers, until


def test_a_create_answers_with_the_fields_of_the_documentation_in_their_order(api: Api) -> None:
    answer = api.create(numbers(3))
    assert answer.status_code == 200
    assert list(answer.json()) == ["task_id", "status", "total", "message", "created_at"]
    body = answer.json()
    assert re.fullmatch(r"[0-9a-v]{20}", body["task_id"])
    assert (body["status"], body["total"], body["message"]) == ("pending", 3, "Task created successfully")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", body["created_at"])


def test_every_task_has_an_id_of_its_own(api: Api) -> None:
    assert len({api.create().json()["task_id"] for _ in range(20)}) == 20


def test_duplicates_and_invalid_lines_are_neither_counted_nor_billed(
    sandbox_with: Callable[..., Api],
) -> None:
    api = sandbox_with(balance=10, price=0.5)
    text = b"\xef\xbb\xbf+12025550001\r\n  +12025550002 \r\n\r\n+12025550001\r\n12025550003\r\n+0123\r\nhello"
    assert api.create(text).json()["total"] == 2
    (task,) = api.sandbox.state()["tasks"]
    assert (task["duplicates"], task["invalid"]) == (1, 3)
    (charge,) = api.sandbox.state()["charges"]
    assert (charge["numbers"], charge["amount"]) == (2, 1.0)
    assert api.balance().json() == {"balance": 9.0}


@pytest.mark.parametrize("text", [b"+12025550001", b"x\n+12025550001", b"\n\n+12025550001\n\n"])
def test_the_last_line_needs_no_end(api: Api, text: bytes) -> None:
    assert api.create(text).json()["total"] == 1
    assert api.sandbox.state()["tasks"][0]["invalid"] == text.count(b"x")


def test_a_list_of_many_parts_loses_and_doubles_nothing(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(undetermined=0)
    distinct = numbers(800_000)  # 10 MB
    answer = api.create(distinct + distinct[:1000] + ["nonsense", "9" * 200_000, "+12025559999 trailing"])
    assert answer.json()["total"] == 800_000
    (task,) = api.sandbox.state()["tasks"]
    assert (task["duplicates"], task["invalid"]) == (1000, 3)


def test_a_list_of_e_mail_addresses_is_taken_by_task_types_that_say_so(api: Api) -> None:
    lines = ["a@example.com", "b@example.com", "+12025551234"]
    assert api.create(lines, task_type="email_check").json()["total"] == 2
    assert api.create(lines, task_type="ws").json()["total"] == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [(b"", "empty_file"), (b"\n \r\n", "no_valid_numbers"), (b"hello\n12025551234\n", "no_valid_numbers"),
     ("+12025551234\n".encode("utf-16"), "no_valid_numbers")],
)  # fmt: skip
def test_a_file_without_a_number_is_refused_free_of_charge(api: Api, text: bytes, error: str) -> None:
    answer = api.create(text)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["message"]
    assert api.charged() == 0


def test_a_form_without_one_of_its_fields_is_refused(api: Api) -> None:
    url = f"{api.sandbox.url}/v1/tasks"
    file = {"file": ("numbers.txt", b"+12025551234\n")}
    for options, error in (
        ({"files": file}, "missing_task_type"),
        ({"files": file, "data": {"task_type": "  "}}, "missing_task_type"),
        ({"files": {"task_type": (None, "Twitter")}}, "missing_file"),
        ({"data": {"task_type": "Twitter", "file": "+12025551234"}}, "invalid_content_type"),
        ({"json": {"task_type": "Twitter"}}, "invalid_content_type"),
        ({}, "invalid_content_type"),
        ({"data": b"--b\r\nrubbish", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, "invalid_form"),
        ({"data": b"rubbish", "headers": {"Content-Type": "multipart/form-data"}}, "invalid_form"),
        ({"files": [*file.items(), *file.items()], "data": {"task_type": "Twitter"}}, "invalid_form"),
    ):  # fmt: skip
        headers = {**api.headers, **options.pop("headers", {})}
        answer = requests.post(url, headers=headers, timeout=TIMEOUT, **options)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert api.charged() == 0


def test_the_fields_may_come_in_either_order(api: Api) -> None:
    body = (
        "--frontier\r\nContent-Disposition: form-data; name=file; filename=n.txt\r\n\r\n+12025551234\n\r\n"
        "--frontier\r\nContent-Disposition: form-data; name=task_type\r\n\r\nhtx\r\n--frontier--\r\n"
    )
    answer = requests.post(
        f"{api.sandbox.url}/v1/tasks",
        data=body,
        headers={**api.headers, "Content-Type": "multipart/form-data; boundary=frontier"},
        timeout=TIMEOUT,
    )
    assert answer.json()["total"] == 1


@pytest.mark.parametrize("key", [None, "wrong", "schlüssel".encode()])
def test_a_missing_or_wrong_key_is_refused_everywhere(api: Api, key: str | bytes | None) -> None:
    headers = {"X-API-Key": key} if key else {}
    answers = [
        api.create(headers=headers),
        api.get("d4g8o46p2jvh04o9uolg", headers=headers),
        requests.get(f"{api.sandbox.url}/v1/balance", headers=headers, timeout=TIMEOUT),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(set(answer.json()) == {"error", "message"} for answer in answers)
    assert api.sandbox.state()["tasks"] == []


def test_a_balance_that_is_too_low_means_no_task_and_no_charge(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(balance=1, price=0.3)
    assert api.create(numbers(4)).status_code == 402
    assert api.sandbox.state()["tasks"] == []
    assert api.create(numbers(3)).status_code == 200
    assert api.balance().json() == {"balance": 0.1}


def test_a_batch_is_measured_after_duplicates_have_gone(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(min_batch=500, max_batch=600)
    for lines in (numbers(499), numbers(499) * 2, numbers(601)):
        answer = api.create(lines)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_batch_size")
    assert api.charged() == 0
    assert api.create(numbers(500)).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_above_the_limit_is_refused(sandbox_with: Callable[..., Api], chunked: bool) -> None:
    api = sandbox_with(max_body_bytes=100_000)
    form = requests.Request(
        "POST",
        f"{api.sandbox.url}/v1/tasks",
        headers=api.headers,
        files={"file": ("n.txt", "\n".join(numbers(20_000)))},
        data={"task_type": "htx"},
    ).prepare()
    if chunked:
        body = form.body
        assert isinstance(body, bytes)
        form.prepare_body(iter([body[:200_000], body[200_000:]]), None)
        form.headers.pop("Content-Length", None)
    answer = requests.Session().send(form, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["error"]) == (413, "file_too_large")
    assert api.charged() == 0


def test_an_upload_that_breaks_off_is_no_task_and_leaves_no_file(api: Api) -> None:
    where = urlsplit(api.sandbox.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = (
            f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nX-API-Key: {api.sandbox.api_key}\r\nContent-Length: 5000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="n"\r\n\r\n+12025551234\n'
        )
        connection.sendall(head.encode())
        until(api.sandbox.state, lambda state: state["calls"].get("create") == 1)
    until(lambda: api.create().status_code, lambda status: status == 200)
    assert api.charged() == 1


def test_unknown_paths_and_wrong_methods_are_told_in_json(api: Api) -> None:
    for method, path, status, allowed in (
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/v1/tasks", 405, "POST"),
        ("DELETE", "/v1/gettasks", 405, "POST"),
        ("POST", "/v1/balance", 405, "GET"),
    ):
        answer = requests.request(method, api.sandbox.url + path, headers=api.headers, timeout=TIMEOUT)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "message"}
        assert answer.headers.get("Allow") == allowed


def test_a_create_that_is_refused_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox_with: Callable[..., Api]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    api = sandbox_with(balance=0)
    api.sandbox.set_fault("status", endpoint="create", status=500, when="after_body")
    answers = [api.create(), api.create(), api.create(b"hello"), api.create(b"")]
    assert [answer.status_code for answer in answers] == [500, 402, 400, 400]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_many_creates_over_one_connection_open_one_connection(api: Api) -> None:
    opened = api.sandbox.state()["connections_opened"]
    with requests.Session() as session:
        for _ in range(5):
            session.get(f"{api.sandbox.url}/v1/balance", headers=api.headers, timeout=TIMEOUT)
    assert api.sandbox.state()["connections_opened"] == opened + 1


def test_a_deployment_may_lack_the_balance(sandbox_with: Callable[..., Api]) -> None:
    assert sandbox_with(balance_endpoint=False).balance().status_code == 404


def test_what_is_sent_after_expect_100_continue_is_taken(api: Api) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.sandbox.url).netloc, timeout=TIMEOUT)
    connection.request(
        "POST",
        "/v1/gettasks",
        "task_id=d4g8o46p2jvh04o9uolg",
        {**api.headers, "Expect": "100-continue", "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert connection.getresponse().status == 404
