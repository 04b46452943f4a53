"""The hook: what it makes of a connection, and what its Test button says."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import airflow
import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, HookLineageCollector

from airflow_provider_checknumber.client import CheckNumberTransientError, InvalidConnectionError, TaskStatus
from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook, EkycProHook
from airflow_provider_checknumber.results import ResultLinkRefusedError
from airflow_provider_checknumber.sandbox import Sandbox

Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> Connect:
    """Makes the connection ``checknumber_default`` out of the given fields."""

    def make(conn_id: str = "checknumber_default", **fields: object) -> None:
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "checknumber", **fields})
        )

    return make


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(speed=float("inf"), queue_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text("+12025550100\n+12025550101\n")
    return path


def test_the_type_of_the_connection_decides_the_service(connect: Connect) -> None:
    connect(password="key")
    assert CheckNumberHook().endpoint.base_url == "https://api.checknumber.ai"
    connect(conn_type="ekycpro", password="key")
    assert CheckNumberHook().endpoint.base_url == "https://api.ekycpro.com"
    connect(conn_type="ekycpro", password="key", host="https://proxy.example")
    assert CheckNumberHook().endpoint.base_url == "https://proxy.example"


def test_each_hook_has_a_connection_id_of_its_own_by_default() -> None:
    assert CheckNumberHook().checknumber_conn_id == "checknumber_default"
    assert EkycProHook().checknumber_conn_id == "ekycpro_default"


def test_the_url_form_of_a_connection_works_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CHECKNUMBER_DEFAULT", sandbox.connection_uri)
    assert CheckNumberHook().endpoint.base_url == sandbox.url


def test_a_connection_that_does_not_exist_is_told_by_airflow(airflow_db: None) -> None:
    with pytest.raises(AirflowNotFoundException):
        CheckNumberHook("nowhere").get_task("any")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "no API key"),
        ({"password": "k", "host": "http://example.com"}, "plain http"),
        ({"password": "k", "extra": {"read_timeout": "soon"}}, "read_timeout"),
        ({"password": "k", "extra": {"submit_timeout": -1}}, "submit_timeout"),
    ],
)
def test_an_unusable_connection_is_named_with_what_is_wrong(
    connect: Connect, fields: dict[str, object], message: str
) -> None:
    connect(**fields)
    with pytest.raises(InvalidConnectionError, match=f"'checknumber_default'.*{message}"):
        CheckNumberHook().get_task("any")


def test_tasks_are_submitted_and_asked_for_in_both_ways(
    connect: Connect, sandbox: Sandbox, numbers: Path
) -> None:
    connect(host=sandbox.url, password=sandbox.api_key)
    hook = CheckNumberHook()

    async def both() -> tuple[str, str]:
        task = await hook.asubmit_task(numbers, "Twitter")
        return task.task_id, (await hook.aget_task(task.task_id)).task_id

    assert len(set(asyncio.run(both()))) == 1
    task = hook.submit_task(numbers, "Twitter")
    assert hook.get_task(task.task_id).status in set(TaskStatus)
    assert hook.get_balance() == asyncio.run(hook.aget_balance())


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ({}, "https://platform.checknumber.ai"),
        ({"conn_type": "ekycpro"}, "https://ekycpro.com"),
        ({"host": "https://gateway.example"}, None),
        (
            {"host": "https://gateway.example", "extra": {"dashboard_url": "https://me.example/tasks"}},
            "https://me.example/tasks",
        ),
    ],
)
def test_a_connection_leads_to_its_services_dashboard(
    connect: Connect, fields: dict[str, object], link: str | None
) -> None:
    connect(**{"password": "key", **fields})
    assert CheckNumberHook().get_dashboard_url() == link


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://user:pw@me.example", "https://me.example/?key=1"]
)
def test_a_dashboard_url_that_could_do_harm_is_refused(connect: Connect, url: str) -> None:
    connect(password="key", extra={"dashboard_url": url})
    with pytest.raises(InvalidConnectionError, match="dashboard_url"):
        CheckNumberHook().get_dashboard_url()


def test_the_test_button_tells_a_working_key_and_costs_nothing(connect: Connect, sandbox: Sandbox) -> None:
    connect(host=sandbox.url, password=sandbox.api_key)
    before = sandbox.state()["charges"]
    worked, message = CheckNumberHook().test_connection()
    assert worked
    assert "accepts the API key; the balance is" in message
    assert sandbox.state()["charges"] == before


def test_the_test_button_works_where_there_is_no_balance(connect: Connect) -> None:
    with Sandbox(balance_endpoint=False) as sandbox:
        connect(host=sandbox.url, password=sandbox.api_key)
        assert CheckNumberHook().test_connection() == (
            True,
            f"{sandbox.url.removeprefix('http://')} accepts the API key.",
        )
        connect(host=sandbox.url, password="wrong")
        worked, message = CheckNumberHook().test_connection()
        assert not worked
        assert message.startswith("Wrong API key")


def test_the_test_button_tells_a_wrong_key_from_an_unreachable_host(
    connect: Connect, sandbox: Sandbox
) -> None:
    connect(host=sandbox.url, password="wrong")
    worked, message = CheckNumberHook().test_connection()
    assert not worked
    assert message.startswith("Wrong API key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    connect(host=f"http://127.0.0.1:{port}", password="key")
    worked, message = CheckNumberHook().test_connection()
    assert not worked
    assert message.startswith("Unreachable")


def test_the_test_button_tells_an_unusable_connection(connect: Connect) -> None:
    connect(host="http://example.com", password="key")
    worked, message = CheckNumberHook().test_connection()
    assert not worked
    assert "plain http" in message


def test_the_key_is_masked_in_logs(connect: Connect, sandbox: Sandbox) -> None:
    from airflow.providers.common.compat.sdk import redact

    connect(host=sandbox.url, password="a-key-that-logs-must-not-show")
    CheckNumberHook().test_connection()
    assert "a-key-that-logs" not in str(redact("sent a-key-that-logs-must-not-show"))


def exported(hook: CheckNumberHook, numbers: Path) -> str:
    """Submit the numbers and wait; return the task's id."""
    task = hook.submit_task(numbers, "Twitter")
    while not task.status.is_terminal:
        time.sleep(0.05)
        task = hook.get_task(task.task_id)
    return task.task_id


def test_results_come_as_one_frame_and_in_pieces(connect: Connect, sandbox: Sandbox, numbers: Path) -> None:
    connect(host=sandbox.url, password=sandbox.api_key)
    hook = CheckNumberHook()
    task_id = exported(hook, numbers)
    frame = hook.get_results_df(task_id)
    assert sorted(frame["number"]) == ["+12025550100", "+12025550101"]
    assert str(frame["twitter"].dtype) == "boolean"
    assert [len(piece) for piece in hook.iter_results(task_id, chunk_rows=1)] == [1, 1]


def test_a_result_that_is_not_there_yet_is_told(connect: Connect, numbers: Path) -> None:
    with Sandbox(queue_seconds=60) as slow:
        connect(host=slow.url, password=slow.api_key)
        task = CheckNumberHook().submit_task(numbers, "Twitter")
        with pytest.raises(CheckNumberTransientError, match="no result yet"):
            CheckNumberHook().get_results_df(task.task_id)


def test_results_are_taken_from_the_connections_result_hosts_only(
    connect: Connect, sandbox: Sandbox, numbers: Path
) -> None:
    connect(host=sandbox.url, password=sandbox.api_key, extra={"result_hosts": "*.amazonaws.com, 127.0.0.1"})
    task_id = exported(CheckNumberHook(), numbers)
    assert len(CheckNumberHook().get_results_df(task_id)) == 2
    connect(host=sandbox.url, password=sandbox.api_key, extra={"result_hosts": ["*.amazonaws.com"]})
    with pytest.raises(ResultLinkRefusedError):
        CheckNumberHook().get_results_df(task_id)
    assert not sandbox.state()["result_calls_with_api_key"]


@pytest.mark.skipif(
    airflow.__version__ < "3", reason="there the collector has other names, which compat translates"
)
def test_airflows_collector_learns_what_a_task_submits_and_reads(
    connect: Connect, sandbox: Sandbox, numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(host=sandbox.url, password=sandbox.api_key)
    collector = HookLineageCollector()
    monkeypatch.setattr("airflow_provider_checknumber.lineage.get_hook_lineage_collector", lambda: collector)
    hook = CheckNumberHook()
    check = f"{sandbox.url.replace('http', 'checknumber')}/Twitter"

    def collected(of: str) -> set[str]:
        return {info.asset.uri for info in getattr(collector.collected_assets, of)}

    exported(hook, numbers)
    assert check in collected("outputs")
    assert f"file://{numbers}" not in collected("inputs")  # It is a temporary one.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    task_id = exported(hook, numbers)
    assert f"file://{numbers}" in collected("inputs")
    assert check not in collected("inputs")
    monkeypatch.setattr("tempfile.tempdir", None)
    hook.get_results_df(task_id, task_type="Twitter")
    assert check in collected("inputs")
