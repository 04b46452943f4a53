from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_provider_checknumber.sandbox import FaultError
from tests.sandbox.api import TIMEOUT, Api, numbers, until


def call(api: Api, endpoint: str, link: str = "") -> requests.Response:
    calls: dict[str, Callable[[], requests.Response]] = {
        "create": api.create,
        "gettasks": lambda: api.get(api.sandbox.state()["tasks"][0]["task_id"]),
        "balance": api.balance,
        "result": lambda: requests.get(link, timeout=TIMEOUT),
    }
    return calls[endpoint]()


@pytest.mark.parametrize("endpoint", ["create", "gettasks", "balance", "result"])
def test_an_error_status_strikes_any_endpoint_as_often_as_told(api: Api, endpoint: str) -> None:
    link = api.result_url()
    api.sandbox.set_fault("status", endpoint=endpoint, status=503, times=2)
    statuses = [call(api, endpoint, link).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert api.charged() == (2 if endpoint == "create" else 1)


@pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        ("json", "application/json", '{"error": "busy", "message": "Later."}'),
        ("text", "text/plain", "Later."),
        ("html", "text/html", "<html>"),
        ("empty", "text/plain", ""),
    ],
)
def test_an_error_comes_with_the_body_and_the_retry_after_that_were_asked_for(
    api: Api, body: str, content_type: str, found: str
) -> None:
    fault = {"status": 429, "body": body, "error": "busy", "message": "Later.", "retry_after": 7}
    assert api.fault(kind="status", endpoint="/v1/tasks", **fault).status_code == 200
    answer = api.create()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.text.startswith(found)
    assert bool(answer.text) == bool(found)


def test_an_error_can_also_hide_that_a_create_was_accepted(api: Api) -> None:
    api.sandbox.set_fault("status", endpoint="create", status=502, when="after")
    assert api.create().status_code == 502
    assert api.charged() == 1


def test_a_large_upload_is_told_of_an_error_too(api: Api) -> None:
    api.sandbox.set_fault("status", endpoint="create", status=500)
    assert api.create(numbers(1_000_000)).status_code == 500


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after_body", 0), ("after", 1)])
def test_a_create_can_lose_its_connection_before_and_after_it_is_accepted(
    api: Api, when: str, charges: int, reset: bool
) -> None:
    api.sandbox.set_fault("drop", endpoint="create", when=when, reset=reset)
    with pytest.raises(requests.ConnectionError):
        api.create()
    state = api.sandbox.state()
    assert (len(state["charges"]), len(state["tasks"])) == (charges, charges)
    assert state["recent_calls"][0]["status"] is None
    assert api.create().status_code == 200


def test_what_is_refused_meets_no_fault_that_waits_for_acceptance(api: Api) -> None:
    api.sandbox.set_fault("drop", endpoint="create")
    assert api.create(b"").status_code == 400
    assert api.create(headers={}).status_code == 401
    assert api.sandbox.state()["faults"][0]["struck"] == 0


@pytest.mark.parametrize("endpoint", ["gettasks", "balance", "result"])
def test_any_other_endpoint_can_lose_its_connection(api: Api, endpoint: str) -> None:
    link = api.result_url()
    api.sandbox.set_fault("drop", endpoint=endpoint)
    with pytest.raises(requests.ConnectionError):
        call(api, endpoint, link)
    assert call(api, endpoint, link).status_code == 200


@pytest.mark.parametrize(("when", "charges"), [("before", 0), ("after_body", 0), ("after", 1)])
def test_a_create_can_be_held_at_any_point_until_it_is_let_go(api: Api, when: str, charges: int) -> None:
    api.sandbox.set_fault("hold", endpoint="create", when=when)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(api.create)
        until(api.sandbox.state, lambda state: [fault["waiting"] for fault in state["faults"]] == [1])
        assert api.charged() == charges
        assert api.create().status_code == 200, "the fault is for one request"
        assert api.sandbox.clear_faults() == 1
        assert answer.result().status_code == 200
    assert api.charged() == 2
    assert api.sandbox.state()["faults"] == []


def test_a_client_that_gives_up_on_a_held_create_has_been_billed(api: Api) -> None:
    api.sandbox.set_fault("hold", endpoint="create")
    with pytest.raises(requests.ReadTimeout):
        api.create(timeout=0.3)
    assert api.charged() == 1


def test_an_answer_can_be_late(api: Api) -> None:
    api.sandbox.set_fault("delay", endpoint="create", seconds=0.3)
    with pytest.raises(requests.ReadTimeout):
        api.create(timeout=0.1)
    assert api.charged() == 1
    api.sandbox.set_fault("delay", endpoint="balance", seconds=0.2, when="before", times=None)
    began = time.monotonic()
    assert api.balance().status_code == 200
    assert time.monotonic() - began >= 0.2


def test_clearing_the_faults_ends_a_delay(api: Api) -> None:
    api.sandbox.set_fault("delay", endpoint="balance", seconds=3600)
    waiter = threading.Thread(target=api.balance)
    waiter.start()
    until(api.sandbox.state, lambda state: state["faults"][0]["waiting"])
    requests.delete(f"{api.sandbox.url}/_sandbox/faults", timeout=TIMEOUT)
    waiter.join(TIMEOUT)
    assert not waiter.is_alive()


def test_faults_of_one_endpoint_strike_in_the_order_in_which_they_were_set(api: Api) -> None:
    api.sandbox.set_fault("delay", endpoint="balance", seconds=0, when="before", times=None)
    for status in (500, 429):
        api.sandbox.set_fault("status", endpoint="balance", status=status)
    assert [api.balance().status_code for _ in range(3)] == [500, 429, 200]


def test_a_fault_strikes_no_more_requests_than_told_when_several_wait_for_it(api: Api) -> None:
    hold = api.sandbox.set_fault("hold", endpoint="balance", when="before", times=3)
    api.sandbox.set_fault("status", endpoint="balance", status=500)
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(api.balance) for _ in range(3)]
        until(api.sandbox.state, lambda state: state["faults"][0]["waiting"] == 3)
        api.sandbox.clear_faults(hold)
        assert sorted(answer.result().status_code for answer in answers) == [200, 200, 500]


@pytest.mark.parametrize("body", ["text", "html", "empty", "truncated"])
def test_an_accepted_create_can_have_an_answer_that_nobody_can_read(api: Api, body: str) -> None:
    api.sandbox.set_fault("unreadable", endpoint="create", body=body)
    answer = api.create()
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert api.charged() == 1


@pytest.mark.parametrize("endpoint", ["create", "gettasks", "balance"])
def test_a_redirect_shows_whether_the_key_goes_along(api: Api, endpoint: str) -> None:
    api.create()
    api.sandbox.set_fault("redirect", endpoint=endpoint)
    if endpoint != "balance":
        answer = call(api, endpoint)
        assert answer.status_code == 307
        assert answer.headers["Location"].startswith("http://localhost:")
        api.sandbox.set_fault("redirect", endpoint="balance", status=302)
    assert api.sandbox.state()["redirected_calls"] == 0
    api.balance()  # follows, as requests does unless it is told not to
    state = api.sandbox.state()
    assert (state["redirected_calls"], state["redirected_calls_with_api_key"]) == (1, 1)


def test_a_redirect_can_lead_anywhere(api: Api) -> None:
    api.sandbox.set_fault("redirect", endpoint="create", status=308, location="https://example.com/x")
    assert api.create().headers["Location"] == "https://example.com/x"
    assert api.charged() == 0


def test_a_create_may_answer_202_and_not_know_its_total_yet(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(queue_seconds=0.3)
    api.sandbox.set_fault("accepted_202")
    answer = api.create(numbers(5))
    assert (answer.status_code, answer.json()["total"]) == (202, 0)
    task_id = answer.json()["task_id"]
    assert api.get(task_id).json()["total"] == 0
    assert api.exported(task_id)["total"] == 5
    assert api.sandbox.state()["charges"][0]["numbers"] == 5
    assert api.create().status_code == 200


def test_a_batch_minimum_can_be_switched_on(api: Api) -> None:
    api.sandbox.set_fault("min_batch", numbers=500, times=None)
    assert api.create(numbers(500)).status_code == 200
    answer = api.create(numbers(499))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_batch_size")
    assert api.charged() == 1


def test_a_task_that_failed_stays_failed(api: Api) -> None:
    task_id = api.create().json()["task_id"]
    api.sandbox.set_fault("task_status", status="failed")
    for _ in range(2):
        task = api.get(task_id).json()
        assert task["status"] == "failed"
        assert "result_url" not in task
    assert api.exported(api.create().json()["task_id"])["total"] == 1


def test_a_task_can_have_a_status_that_nobody_knows(api: Api) -> None:
    one, two = (api.create().json()["task_id"] for _ in range(2))
    api.sandbox.set_fault("task_status", status="archiving", task_id=two)
    assert api.exported(one)
    task = api.get(two).json()
    assert task["status"] == "archiving"
    assert "result_url" not in task
    assert api.exported(two)


def test_a_link_can_be_made_to_have_expired(api: Api) -> None:
    link = api.result_url()
    api.sandbox.set_fault("expired_link")
    answer = requests.get(link, timeout=TIMEOUT)
    assert answer.status_code == 403
    assert "Request has expired" in answer.text
    fresh = api.exported(api.sandbox.state()["tasks"][0]["task_id"])["result_url"]
    assert requests.get(fresh, timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize("count", [3, 5000])
def test_an_archive_can_be_damaged_for_one_download(api: Api, count: int) -> None:
    link = api.result_url(numbers(count))

    def download() -> bytes:
        return requests.get(link, timeout=TIMEOUT).content

    intact = download()
    api.sandbox.set_fault("truncated_archive")
    assert download() == intact[: len(intact) // 2]
    api.sandbox.set_fault("corrupt_archive")
    corrupt = download()
    assert len(corrupt) == len(intact)
    with zipfile.ZipFile(io.BytesIO(corrupt)) as archive:
        names = archive.namelist()
        with pytest.raises((zipfile.BadZipFile, zipfile.zlib.error)):  # type: ignore[attr-defined]
            archive.read(max(archive.infolist(), key=lambda member: member.compress_size))
        assert names[0].endswith("all.csv")
    api.sandbox.set_fault("not_a_zip")
    assert not zipfile.is_zipfile(io.BytesIO(download()))
    assert download() == intact


def test_a_download_that_breaks_off_can_be_resumed(api: Api) -> None:
    link = api.result_url(numbers(50_000))
    intact = requests.get(link, timeout=TIMEOUT)
    api.sandbox.set_fault("drop_download", bytes=30_000, times=2)
    got = b""
    for _ in range(2):
        headers = {"Range": f"bytes={len(got)}-", "If-Range": intact.headers["ETag"]} if got else {}
        with requests.get(link, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            assert int(answer.headers["Content-Length"]) == len(intact.content) - len(got)
            assert answer.headers["ETag"] == intact.headers["ETag"]
            piece = answer.raw.read(30_000)
            with pytest.raises(Exception, match=r"(?i)incomplete|broken"):
                answer.raw.read(1) or answer.raw.read()
            got += piece
    rest = requests.get(link, headers={"Range": f"bytes={len(got)}-"}, timeout=TIMEOUT)
    assert rest.status_code == 206
    assert got + rest.content == intact.content


def test_a_fault_without_end_lasts_until_it_is_cleared_by_its_id(api: Api) -> None:
    first = api.fault(kind="status", endpoint="balance", status=500, times=None).json()["id"]
    second = api.fault(kind="status", endpoint="create", status=500, times=None).json()["id"]
    assert {api.balance().status_code for _ in range(5)} == {500}
    url = f"{api.sandbox.url}/_sandbox/faults"
    assert requests.delete(f"{url}/{first}", timeout=TIMEOUT).json() == {"cleared": 1}
    assert requests.delete(f"{url}/{first}", timeout=TIMEOUT).status_code == 404
    assert api.balance().status_code == 200
    (left,) = api.sandbox.state()["faults"]
    assert (left["id"], left["kind"], left["endpoint"], left["times"]) == (second, "status", "create", None)
    assert requests.delete(url, timeout=TIMEOUT).json() == {"cleared": 1}
    assert api.create().status_code == 200


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ([], "JSON object"),
        ({}, "kind must be one of status, drop"),
        ({"kind": "explode"}, "kind must be one of"),
        ({"kind": ["status"]}, "kind must be one of"),
        ({"kind": "status", "status": 500}, "endpoint of a fault of kind status must be one of create, gettasks"),
        ({"kind": "status", "endpoint": "x", "status": 500}, "endpoint"),
        ({"kind": "status", "endpoint": ["create"], "status": 500}, "endpoint"),
        ({"kind": "expired_link", "endpoint": "create"}, "must be one of result"),
        ({"kind": "status", "endpoint": "create"}, "status is missing: it must be a whole number from 400 to 599"),
        ({"kind": "status", "endpoint": "create", "status": 200}, "from 400 to 599"),
        ({"kind": "status", "endpoint": "create", "status": "500"}, "from 400 to 599"),
        ({"kind": "status", "endpoint": "create", "status": 500, "body": []}, "body must be one of"),
        ({"kind": "status", "endpoint": "create", "status": 500, "retry_after": "a\r\nb: c"}, "HTTP date"),
        ({"kind": "status", "endpoint": "create", "status": 500, "times": 0}, "times must be"),
        ({"kind": "status", "endpoint": "create", "status": 500, "times": True}, "times must be"),
        ({"kind": "status", "endpoint": "create", "status": 500, "tims": 2}, "does not take tims"),
        ({"kind": "delay", "endpoint": "create", "seconds": -1}, "seconds must be"),
        ({"kind": "delay", "endpoint": "create"}, "seconds is missing"),
        ({"kind": "drop", "endpoint": "balance", "when": "after_body"}, "create only"),
        ({"kind": "drop", "endpoint": "balance", "reset": "yes"}, "reset must be true or false"),
        ({"kind": "drop_download", "bytes": 1.5}, "bytes must be"),
        ({"kind": "min_batch", "numbers": 0}, "numbers must be"),
        ({"kind": "task_status", "status": 7}, "status must be a text"),
    ],
)  # fmt: skip
def test_a_malformed_fault_is_refused_with_the_reason(api: Api, fault: Any, complaint: str) -> None:
    answer = requests.post(f"{api.sandbox.url}/_sandbox/faults", json=fault, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_fault")
    assert complaint in answer.json()["message"]
    assert api.sandbox.state()["faults"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"NaN"])
def test_a_fault_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    answer = requests.post(f"{api.sandbox.url}/_sandbox/faults", data=body, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_fault")


def test_a_malformed_fault_is_refused_in_process_too(api: Api) -> None:
    with pytest.raises(FaultError, match="kind must be one of"):
        api.sandbox.set_fault("explode")
