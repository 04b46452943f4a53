"""Where a key may be sent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_checknumber.client import InvalidConnectionError, make_endpoint


def base_url(host: str | None = None, **others: Any) -> str:
    return make_endpoint(**{"conn_type": "checknumber", "host": host, "api_key": "key", **others}).base_url


def test_the_connection_type_decides_the_host_unless_the_connection_names_one() -> None:
    assert base_url() == "https://api.checknumber.ai"
    assert base_url(conn_type="ekycpro") == "https://api.ekycpro.com"
    assert base_url("proxy.example", conn_type="ekycpro") == "https://proxy.example"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "https://proxy.example/check/"}, "https://proxy.example/check"),
        ({"host": "proxy.example:8443"}, "https://proxy.example:8443"),
        ({"host": "proxy.example", "port": 8443}, "https://proxy.example:8443"),
        ({"host": "http://127.0.0.1:8787"}, "http://127.0.0.1:8787"),
        ({"host": "localhost", "scheme": "http", "port": 8787}, "http://localhost:8787"),
        ({"host": "http://[::1]:8787"}, "http://[::1]:8787"),
    ],
)
def test_a_host_may_be_a_name_a_name_with_a_port_or_a_url(fields: dict[str, Any], expected: str) -> None:
    assert base_url(**fields) == expected


@pytest.mark.parametrize(
    "host",
    [
        "http://api.checknumber.ai",
        "http://10.0.0.1:8787",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://0.0.0.0",
    ],
)
def test_plain_http_is_refused_except_to_loopback(host: str) -> None:
    with pytest.raises(InvalidConnectionError, match="plain http"):
        base_url(host)


@pytest.mark.parametrize(
    "host",
    [
        "ftp://x",
        "https://",
        "https://user:pw@x",
        "https://x/?a=1",
        "https://x#y",
        "a b",
        "https://x:port",
        "https://[::1",
    ],
)
def test_a_host_that_is_none_is_refused_in_one_sentence(host: str) -> None:
    with pytest.raises(InvalidConnectionError, match="host cannot be used"):
        base_url(host)


@pytest.mark.parametrize("key", [None, "", "   "])
def test_a_missing_key_is_told(key: str | None) -> None:
    with pytest.raises(InvalidConnectionError, match="no API key"):
        base_url(api_key=key)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_a_header_is_told_without_quoting_it(key: str) -> None:
    with pytest.raises(InvalidConnectionError) as caught:
        base_url(api_key=key)
    assert key not in str(caught.value)


def test_an_unknown_connection_type_needs_a_host() -> None:
    with pytest.raises(InvalidConnectionError, match="'http'"):
        base_url(conn_type="http")
    assert base_url("https://x.example", conn_type="http") == "https://x.example"
