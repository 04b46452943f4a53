from __future__ import annotations

import json
import re
from collections.abc import Callable

import requests

from tests.sandbox.api import TIMEOUT, Api, numbers, until

DOCUMENTED = ["created_at", "updated_at", "task_id", "user_id", "status", "total", "success", "failure"]


def test_a_task_goes_from_pending_through_processing_to_exported(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(speed=1000, queue_seconds=0.2)
    task_id = api.create(numbers(300)).json()["task_id"]
    seen = []
    until(lambda: seen.append(api.get(task_id).json()) or seen[-1], lambda task: task["status"] == "exported")
    assert list(dict.fromkeys(task["status"] for task in seen)) == ["pending", "processing", "exported"]
    assert all(list(task) == DOCUMENTED for task in seen[:-1])
    assert list(seen[-1]) == [*DOCUMENTED, "result_url"]
    done = [task["success"] + task["failure"] for task in seen]
    assert done == sorted(done)
    assert (done[0], done[-1], seen[-1]["total"]) == (0, 300, 300)
    assert len(set(done)) > 3


def test_a_task_tells_its_times_in_utc_with_milliseconds(api: Api) -> None:
    task = api.exported(api.create().json()["task_id"])
    for field in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", task[field])
    assert task["created_at"] <= task["updated_at"]


def test_numbers_without_an_answer_count_as_failure(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(undetermined=0.25)
    task = api.exported(api.create(numbers(2000)).json()["task_id"])
    assert 300 < task["failure"] < 700
    assert task["success"] + task["failure"] == 2000
    certain = sandbox_with(undetermined=0)
    assert certain.exported(certain.create(numbers(2000)).json()["task_id"])["failure"] == 0


def test_a_task_can_be_asked_for_with_either_kind_of_form(api: Api) -> None:
    task_id = api.create().json()["task_id"]
    url = f"{api.sandbox.url}/v1/gettasks"
    for form in ({"data": {"task_id": task_id}}, {"files": {"task_id": (None, task_id)}}):
        answer = requests.post(url, headers=api.headers, timeout=TIMEOUT, **form)
        assert answer.json()["task_id"] == task_id


def test_a_task_that_does_not_exist_is_not_found(api: Api) -> None:
    answer = api.get("d4g8o46p2jvh04o9uolg")
    assert (answer.status_code, answer.json()["error"]) == (404, "task_not_found")


def test_asking_without_a_task_id_is_refused(api: Api) -> None:
    url = f"{api.sandbox.url}/v1/gettasks"
    for form in (
        {},
        {"data": {"task_id": ""}},
        {"json": {"task_id": "d4g8o46p2jvh04o9uolg"}},
        {"files": {"task_id": ("name", b"d4g8o46p2jvh04o9uolg")}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    ):
        headers = {**api.headers, **form.pop("headers", {})}
        answer = requests.post(url, headers=headers, timeout=TIMEOUT, **form)
        assert answer.status_code == 400
        assert set(answer.json()) == {"error", "message"}


def test_the_state_holds_no_number_no_key_and_no_link(api: Api) -> None:
    link = api.result_url(numbers(50))
    requests.get(link, timeout=TIMEOUT)
    requests.get(f"{api.sandbox.url}/+12020000007", timeout=TIMEOUT)
    told = requests.get(f"{api.sandbox.url}/_sandbox/state", timeout=TIMEOUT)
    assert told.json().keys() == api.sandbox.state().keys()
    text = told.text
    assert "1202" + "0000007" not in text
    assert api.sandbox.api_key not in text
    assert "Signature" not in text
    assert json.loads(text)["calls"]["other"] == 1


def test_calls_are_counted_for_each_endpoint_and_task(api: Api) -> None:
    task_id = api.create().json()["task_id"]
    api.balance()
    api.get("d4g8o46p2jvh04o9uolg")
    api.get(task_id)
    state = api.sandbox.state()
    assert state["calls"] == {"create": 1, "balance": 1, "gettasks": 2}
    assert state["tasks"][0]["polls"] == 1
    assert [(call["endpoint"], call["status"]) for call in state["recent_calls"]] == [
        ("create", 200), ("balance", 200), ("gettasks", 404), ("gettasks", 200)
    ]  # fmt: skip
