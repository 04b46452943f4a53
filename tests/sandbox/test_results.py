from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Callable, Iterator

import pytest
import requests

from airflow_provider_checknumber.sandbox import Sandbox
from tests.sandbox.api import TIMEOUT, Api, numbers


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox:
        yield Api(sandbox)


def download(link: str, **headers: str) -> requests.Response:
    return requests.get(link, headers=headers, timeout=TIMEOUT)


def members(link: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(download(link).content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def table(text: bytes, **dialect: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline=""), **dialect))


def test_the_zip_has_a_folder_named_after_the_task_with_the_table_and_two_lists(shared: Api) -> None:
    lines = numbers(1000)
    link = shared.result_url(lines)
    task_id = link.split("/")[4]
    files = members(link)
    assert list(files) == [f"{task_id}/{name}" for name in ("all.csv", "activated.txt", "unregistered.txt")]
    header, *rows = table(files[f"{task_id}/all.csv"])
    assert header == ["Number", "twitter"]
    assert [number for number, _ in rows] == lines
    for name, answer in (("activated", "yes"), ("unregistered", "no")):
        listed = files[f"{task_id}/{name}.txt"].decode().split()
        assert listed == [number for number, given in rows if given == answer]
        assert len(listed) > 200


def test_numbers_without_an_answer_are_in_the_table_with_neither_yes_nor_no(shared: Api) -> None:
    task = shared.exported(shared.create(numbers(5000)).json()["task_id"])
    rows = table(members(task["result_url"])[f"{task['task_id']}/all.csv"])[1:]
    others = [answer for _, answer in rows if answer not in ("yes", "no")]
    assert len(others) == task["failure"]
    assert set(others) == {"unknown", "undetermined", ""}


def test_a_number_has_the_same_answer_in_every_sandbox_and_another_for_another_task_type(
    shared: Api, sandbox_with: Callable[..., Api]
) -> None:
    def answers(api: Api, task_type: str) -> dict[str, str]:
        (text,) = [
            text for name, text in members(api.result_url(numbers(300), task_type)).items() if "all" in name
        ]
        return dict(table(text)[1:])  # type: ignore[arg-type]

    assert answers(shared, "Twitter") == answers(sandbox_with(), "twitter")
    assert answers(shared, "Twitter") != answers(shared, "htx")


@pytest.mark.parametrize(
    ("task_type", "header"),
    [
        ("htx", "Number,htx"),
        ("Brand_New", "Number,brand_new"),
        ("ws", "number,activated"),
        ("ws_active", "number,activated,activetime,activedays,business"),
        ("ws_avatar", "number,activated,age,avatar,category,gender,hair_color,skin_color"),
    ],
)
def test_the_columns_follow_the_task_type(shared: Api, task_type: str, header: str) -> None:
    (text,) = [
        text for name, text in members(shared.result_url(numbers(100), task_type)).items() if "all" in name
    ]
    first, *rows = table(text)
    assert ",".join(first) == header
    assert {len(row) for row in rows} == {len(first)}
    if len(first) > 2:
        assert all(all(row[2:]) == (row[1] == "yes") for row in rows)


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ({"csv"}, b"Number,twitter\n+1202"),
        ({"csv", "semicolon"}, b"Number;twitter\n+1202"),
        ({"csv", "crlf", "bom"}, b"\xef\xbb\xbfNumber,twitter\r\n+1202"),
        ({"csv", "no-plus"}, b"Number,twitter\n1202"),
    ],
)
def test_results_come_in_the_shapes_that_are_known(
    sandbox_with: Callable[..., Api], shape: set[str], start: bytes
) -> None:
    answer = download(sandbox_with(result_shape=frozenset(shape)).result_url(numbers(10)))
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.content.startswith(start)


def test_a_flat_zip_has_no_folder_and_names_can_hold_anything(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(result_shape=frozenset({"flat", "names"}))
    header, *rows = table(members(api.result_url(numbers(300)))["all.csv"])
    assert header == ["Number", "twitter", "name"]
    assert len(rows) == 300
    held = "".join(row[2] for row in rows)
    assert all(character in held for character in '\n",Пم')


def test_a_link_needs_no_key_and_is_another_one_every_time(shared: Api) -> None:
    task_id = shared.create().json()["task_id"]
    first, second = shared.exported(task_id)["result_url"], shared.exported(task_id)["result_url"]
    assert first != second
    assert download(first).content == download(second).content
    assert shared.sandbox.state()["result_calls_with_api_key"] == 0


def test_a_key_that_reaches_the_result_is_noticed(api: Api) -> None:
    requests.get(api.result_url(), headers=api.headers, timeout=TIMEOUT)
    assert api.sandbox.state()["result_calls_with_api_key"] == 1


def test_a_forged_link_opens_nothing(shared: Api) -> None:
    link = shared.result_url()
    other = shared.create().json()["task_id"]
    for forged in (
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.replace("X-Amz-Expires=3600", "X-Amz-Expires=604800"),
        link.replace(link.split("/")[4], other),
        link.split("?")[0],
        f"{shared.sandbox.url}/externalcheck/none/none.zip?X-Amz-Signature=%FF",
    ):
        answer = download(forged)
        assert answer.status_code == 403
        assert answer.headers["Content-Type"].startswith("application/xml")
        assert "<Code>" in answer.text


def test_a_link_expires_and_a_fresh_one_opens_the_same_result(sandbox_with: Callable[..., Api]) -> None:
    api = sandbox_with(link_ttl=0.3)
    task_id = api.create().json()["task_id"]
    link = api.exported(task_id)["result_url"]
    time.sleep(0.35)
    answer = download(link)
    assert answer.status_code == 403
    assert "Request has expired" in answer.text
    assert download(api.exported(task_id)["result_url"]).status_code == 200


def test_a_part_of_the_result_can_be_had(shared: Api) -> None:
    link = shared.result_url(numbers(500))
    whole = download(link)
    size = len(whole.content)
    assert int(whole.headers["Content-Length"]) == size
    part = download(link, Range="bytes=100-", **{"If-Range": whole.headers["ETag"]})
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert part.content == whole.content[100:]
    assert download(link, Range="bytes=-5").content == whole.content[-5:]
    assert download(link, Range="bytes=100-", **{"If-Range": '"another"'}).content == whole.content
    assert download(link, Range="bytes=7-9").content == whole.content[7:10]
    assert download(link, Range="bytes=0-").status_code == 206
    assert download(link, Range="bytes=9-7").content == whole.content
    beyond = download(link, Range=f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")


def test_head_tells_the_size_and_sends_nothing(shared: Api) -> None:
    link = shared.result_url(numbers(500))
    head, whole = requests.head(link, timeout=TIMEOUT), download(link)
    assert (head.status_code, head.content) == (200, b"")
    for header in ("Content-Length", "ETag", "Content-Type"):
        assert head.headers[header] == whole.headers[header]
