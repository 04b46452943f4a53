"""Which links a result is fetched from, what becomes of an expired one, and that none is told to anyone."""

from __future__ import annotations

import logging
from functools import partial

import pytest

from airflow_provider_checknumber.client import AuthenticationError, CheckNumberTransientError
from airflow_provider_checknumber.results import (
    ResultLinkExpiredError,
    ResultLinkRefusedError,
    download_archive,
)
from airflow_provider_checknumber.results.links import check_link
from tests.results.hosts import CONTENT, QUICK, breaking_off, status

pytestmark = pytest.mark.usefixtures("no_pauses")

download = partial(download_archive, timing=QUICK)


def test_a_netrc_file_gives_the_host_no_password(host, file, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    download(f"{host.url}/a.zip", file)

    assert "Authorization" not in host.requests[0]


@pytest.mark.parametrize("code", [403, 404, 410])
def test_an_expired_link_is_exchanged_for_a_fresh_one_and_the_download_goes_on(host, file, code):
    host.behaviours = [breaking_off(host, 294_912), status(code)]

    download(f"{host.url}/old", file, fresh_link=lambda: f"{host.url}/new")

    assert file.read_bytes() == CONTENT
    assert [(asked["path"], asked.get("Range")) for asked in host.requests] == [
        ("/old", None),
        ("/old", "bytes=294912-"),
        ("/new", "bytes=294912-"),
    ]


def test_an_expired_link_without_a_fresh_one_may_be_tried_later(host, file):
    host.behaviours = [status(403)]

    with pytest.raises(ResultLinkExpiredError, match=r"127\.0\.0\.1 is no longer valid") as caught:
        download(f"{host.url}/a.zip?X-Amz-Signature=secret", file)

    assert isinstance(caught.value, CheckNumberTransientError)
    assert "secret" not in str(caught.value)


def test_fresh_links_that_are_no_good_either_come_to_an_end(host, file):
    host.behaviours = [status(403)] * 99

    with pytest.raises(ResultLinkExpiredError):
        download(f"{host.url}/a.zip", file, fresh_link=lambda: f"{host.url}/b.zip")

    assert len(host.requests) < 9


def test_what_goes_wrong_in_asking_for_a_fresh_link_is_told_as_it_is(host, file):
    def refused() -> str:
        raise AuthenticationError("The key was refused.")

    host.behaviours = [status(403)]

    with pytest.raises(AuthenticationError):
        download(f"{host.url}/a.zip", file, fresh_link=refused)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(host, file, code):
    host.behaviours = [status(code, Location=f"{host.url}/elsewhere")]

    with pytest.raises(ResultLinkRefusedError, match=f"HTTP {code}"):
        download(f"{host.url}/a.zip", file)

    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "link",
    [
        "http://example.com/a.zip",
        "ftp://example.com/a.zip",
        "file:///etc/passwd",
        "/a.zip",
        "",
        "https://user:secret@example.com/a.zip",
        "https://example.com:port/a.zip",
        "https://exa mple.com/",
        "https://elsewhere.example\\.example.com/",
        "https://example.com\\@elsewhere.example/",
        "https://ex\u00e4mple.com/",
        "https://[::1/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
    ],
)
def test_only_https_or_this_machine_is_asked(link, file):
    with pytest.raises(ResultLinkRefusedError) as caught:
        download(link, file)

    assert "secret" not in str(caught.value)
    assert "a.zip" not in str(caught.value)


def test_links_to_this_machine_may_be_plain():
    assert check_link("http://127.0.0.1:8787/x") == "127.0.0.1"
    assert check_link("http://[::1]:8787/x") == "::1"
    assert check_link("http://localhost/x") == "localhost"


@pytest.mark.parametrize(
    ("host_name", "allowed"),
    [
        ("wapic.s3.amazonaws.com", True),
        ("WAPIC.S3.AMAZONAWS.COM", True),
        ("results.example.com", True),
        ("a.results.example.com", False),
        ("amazonaws.com", False),
        ("evilamazonaws.com", False),
        ("amazonaws.com.example.org", False),
    ],
)
def test_where_hosts_are_listed_no_other_is_asked(host_name, allowed):
    hosts = ["results.example.com", " *.AmazonAWS.com "]

    if allowed:
        assert check_link(f"https://{host_name}/x", result_hosts=hosts) == host_name.lower()
    else:
        with pytest.raises(ResultLinkRefusedError, match="result_hosts"):
            check_link(f"https://{host_name}/x", result_hosts=hosts)


def test_a_fresh_link_has_to_pass_too(host, file):
    host.behaviours = [status(403)]

    with pytest.raises(ResultLinkRefusedError, match=r"example\.org"):
        download(
            f"{host.url}/a",
            file,
            result_hosts=["127.0.0.1"],
            fresh_link=lambda: "https://example.org/a.zip?sig=secret",
        )


def test_no_log_line_holds_the_link(host, file, caplog):
    caplog.set_level(logging.DEBUG)
    host.behaviours = [breaking_off(host, 20_000), status(403), status(500)]

    download(f"{host.url}/a.zip?X-Amz-Signature=secret", file, fresh_link=lambda: f"{host.url}/b?sig=secret")

    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    assert "secret" not in caplog.text
    assert "127.0.0.1" in caplog.text
