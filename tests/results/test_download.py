"""Downloads that are dropped, busy, damaged or too large, from a real host on this machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from functools import partial

import pytest
import requests

from airflow_provider_checknumber.client import (
    ConnectionLostError,
    GatewayError,
    RateLimitedError,
    ServiceUnreachableError,
    Timing,
)
from airflow_provider_checknumber.results import (
    ArchiveLimitError,
    ResultError,
    ResultLinkRefusedError,
    download_archive,
    open_results,
)
from airflow_provider_checknumber.results import download as download_module
from airflow_provider_checknumber.sandbox import Sandbox
from tests.results.hosts import CONTENT, QUICK, breaking_off, status

pytestmark = pytest.mark.usefixtures("no_pauses")

download = partial(download_archive, timing=QUICK)


def test_a_file_comes_whole_and_carries_nothing_of_the_connection(host, file):
    file.write_bytes(b"what was there before" * 99_999)

    assert download(f"{host.url}/a.zip?X-Amz-Signature=secret", file) == len(CONTENT)

    assert file.read_bytes() == CONTENT
    [asked] = host.requests
    assert asked["path"] == "/a.zip?X-Amz-Signature=secret"
    assert {"X-API-Key", "Authorization", "Cookie", "Range"}.isdisjoint(asked)


def test_after_a_drop_the_rest_is_asked_for(host, file):
    host.behaviours = [breaking_off(host, 294_912), breaking_off(host, 245_760)]

    assert download(f"{host.url}/a.zip", file) == len(CONTENT)

    assert file.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in host.requests] == [None, "bytes=294912-", "bytes=540672-"]
    assert [asked.get("If-Range") for asked in host.requests] == [None, '"one"', '"one"']


def test_a_file_that_changed_meanwhile_is_taken_from_its_beginning(host, file):
    def then_change(handler):
        breaking_off(host, 294_912)(handler)
        host.content, host.etag = CONTENT[::-1], '"two"'

    host.behaviours = [then_change]

    download(f"{host.url}/a.zip", file)

    assert file.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_host_without_a_strong_etag_is_resumed_all_the_same(host, file, etag):
    host.etag = etag
    host.behaviours = [breaking_off(host, 294_912)]

    download(f"{host.url}/a.zip", file)

    assert file.read_bytes() == CONTENT
    assert "If-Range" not in host.requests[1]


def test_a_host_that_knows_no_ranges_is_asked_from_the_beginning(host, file):
    def whole(handler):
        del handler.headers["Range"]
        host.behave(handler)

    host.behaviours = [breaking_off(host, 294_912), whole]

    download(f"{host.url}/a.zip", file)

    assert file.read_bytes() == CONTENT


def test_another_part_than_was_asked_for_is_not_put_in_its_place(host, file):
    def wrong_part(handler):
        rest = len(CONTENT) - 294_912
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{rest - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(rest))
        handler.end_headers()
        handler.wfile.write(CONTENT[:rest])

    host.behaviours = [breaking_off(host, 294_912), wrong_part]

    download(f"{host.url}/a.zip", file)

    assert file.read_bytes() == CONTENT


def test_a_range_that_is_refused_starts_over(host, file):
    host.behaviours = [breaking_off(host, 294_912), status(416)]

    download(f"{host.url}/a.zip", file)

    assert file.read_bytes() == CONTENT


def test_a_host_that_keeps_dropping_is_given_up_and_may_be_tried_later(host, file, no_pauses):
    host.behaviours = [breaking_off(host, 0)] * 9

    with pytest.raises(ConnectionLostError, match=r"127\.0\.0\.1 broke off"):
        download(f"{host.url}/a.zip", file, timing=Timing(connect=2, read=2, attempts=4))

    assert len(host.requests) == 4
    assert no_pauses == sorted(no_pauses)


def test_drops_that_bring_something_each_time_are_no_reason_to_give_up(host, file):
    host.behaviours = [breaking_off(host, 50_000)] * 10

    download(f"{host.url}/a.zip", file)

    assert file.read_bytes() == CONTENT


def test_a_busy_host_is_asked_again_after_the_time_that_it_names(host, file, no_pauses):
    host.behaviours = [status(503, Retry_After="7"), status(500)]

    download(f"{host.url}/a.zip", file, timing=Timing(attempts=3))

    assert file.read_bytes() == CONTENT
    assert no_pauses[0] == 7.0


@pytest.mark.parametrize(
    ("code", "error"), [(429, RateLimitedError), (502, GatewayError), (504, GatewayError)]
)
def test_a_host_that_stays_busy_is_given_up(host, file, code, error):
    host.behaviours = [status(code)] * 9

    with pytest.raises(error, match=f"HTTP {code}"):
        download(f"{host.url}/a.zip", file)


def test_any_other_refusal_is_final(host, file):
    host.behaviours = [status(400)]

    with pytest.raises(ResultLinkRefusedError, match="HTTP 400"):
        download(f"{host.url}/a.zip", file)


def test_a_host_that_is_not_there_is_named(file):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ServiceUnreachableError, match=r"127\.0\.0\.1"):
            download(f"http://127.0.0.1:{taken.getsockname()[1]}/secret", file)


def test_a_file_that_is_announced_too_large_is_not_begun(host, file):
    with pytest.raises(ArchiveLimitError, match="max_download_bytes"):
        download(f"{host.url}/a.zip", file, max_bytes=699_999)

    assert file.stat().st_size == 0


def test_a_file_that_grows_beyond_the_limit_is_cut_off(host, file):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            for _ in range(10_000):
                handler.wfile.write(CONTENT)
        except OSError:
            handler.close_connection = True

    host.behaviours = [endless]

    with pytest.raises(ArchiveLimitError):
        download(f"{host.url}/a.zip", file, max_bytes=5_000_000)

    assert file.stat().st_size <= 5_000_000


def test_a_file_for_which_there_is_no_room_is_not_begun(host, file, monkeypatch):
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1_000}))

    with pytest.raises(ArchiveLimitError, match="room for 1000"):
        download(f"{host.url}/a.zip", file)

    assert file.stat().st_size == 0


def test_a_place_that_cannot_be_written_is_told(host, tmp_path):
    with pytest.raises(ResultError, match="cannot be written"):
        download(f"{host.url}/a.zip", tmp_path / "nowhere" / "result.zip")
    with pytest.raises(ResultError, match="cannot be written"):
        download(f"{host.url}/a.zip", "/dev/full")


def test_an_encoding_that_was_not_asked_for_is_refused(host, file):
    host.behaviours = [status(200, Content_Encoding="gzip")]

    with pytest.raises(ResultLinkRefusedError, match="not asked for"):
        download(f"{host.url}/a.zip", file)


def test_a_long_download_tells_how_far_it_is(host, file, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(download_module, "_SECONDS_BETWEEN_REPORTS", 0.0)

    download(f"{host.url}/a.zip", file)

    assert "0 of 0 MB (100 %)" in caplog.text


@pytest.fixture
def exported() -> Iterator[tuple[Sandbox, str]]:
    with Sandbox(speed=float("inf"), queue_seconds=0.0) as sandbox:
        headers = {"X-API-Key": sandbox.api_key}
        numbers = b"".join(b"+1202555%04d\n" % n for n in range(2_000))
        task = requests.post(
            f"{sandbox.url}/v1/tasks", headers=headers, data={"task_type": "Twitter"}, files={"file": numbers}
        ).json()
        yield sandbox, task["task_id"]


def link_of(sandbox: Sandbox, task_id: str) -> str:
    headers = {"X-API-Key": sandbox.api_key}
    while True:
        task = requests.post(f"{sandbox.url}/v1/gettasks", headers=headers, data={"task_id": task_id}).json()
        if "result_url" in task:
            return str(task["result_url"])


def test_the_sandbox_gives_a_result_out_over_a_broken_line_and_an_expired_link(exported, file):
    sandbox, task_id = exported
    sandbox.set_fault("drop_download", bytes=3_000)
    link = link_of(sandbox, task_id)
    download(link, file)
    sandbox.set_fault("expired_link")
    download(link, file, fresh_link=lambda: link_of(sandbox, task_id))

    with open_results(file, task_type="Twitter") as table:
        assert sum(map(len, table.batches())) == 2_000
        assert table.member == f"{task_id}/all.csv"


@pytest.mark.parametrize("fault", ["truncated_archive", "corrupt_archive", "not_a_zip"])
def test_what_the_sandbox_damages_is_found_when_it_is_read(exported, file, fault):
    sandbox, task_id = exported
    sandbox.set_fault(fault)
    download(link_of(sandbox, task_id), file)

    with pytest.raises(ResultError), open_results(file) as table:
        list(table.batches())
