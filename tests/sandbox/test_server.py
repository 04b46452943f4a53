from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests

from airflow_provider_checknumber.sandbox import Sandbox
from tests.sandbox.api import TIMEOUT, Api, numbers, until
from tests.support.certificates import self_signed


@pytest.fixture
def private_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files in which only the sandbox puts any."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    return directory


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow_provider_checknumber.sandbox", *arguments]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_one_line_serves_and_leaves_nothing_behind(
    private_tmp: Path, stop: signal.Signals
) -> None:
    with subprocess.Popen(
        command("--port", "0", "--service", "ekycpro", "--api-key", "a key", "--speed", "inf", "--queue-seconds", "0"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process, ExitStack() as stack:  # fmt: skip
        stack.callback(process.kill)
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert set(line) == {"url", "api_key", "AIRFLOW_CONN_EKYCPRO_DEFAULT"}
        assert json.loads(line["AIRFLOW_CONN_EKYCPRO_DEFAULT"]) == {
            "conn_type": "ekycpro", "host": line["url"], "password": "a key",
            "extra": {"dashboard_url": f"{line['url']}/_sandbox/state"},
        }  # fmt: skip
        answer = requests.post(
            f"{line['url']}/v1/tasks",
            headers={"X-API-Key": line["api_key"]},
            files={"file": b"+12025551234\n"},
            data={"task_type": "htx"},
            timeout=TIMEOUT,
        )
        assert answer.status_code == 200
        assert len(list(private_tmp.iterdir())) == 1
        assert (next(private_tmp.iterdir()).stat().st_mode & 0o777) == 0o700
        process.send_signal(stop)
        out, err = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, out, err) == (0, "", "")
    assert list(private_tmp.iterdir()) == []


def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(command("--port", str(port)), capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
    assert done.stderr.count("\n") == 1


def test_settings_that_make_no_sense_are_told() -> None:
    done = subprocess.run(command("--speed", "0"), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2
    assert "speed must be above 0" in done.stderr
    with pytest.raises(ValueError, match="link_ttl"):
        Sandbox(link_ttl=0)
    with pytest.raises(ValueError, match="go together"):
        Sandbox(tls_cert="cert.pem")


def test_tls_files_that_are_missing_are_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    done = subprocess.run(
        command("--port", "0", "--tls-cert", missing, "--tls-key", missing),
        capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert done.returncode == 1
    assert "TLS" in done.stderr
    with pytest.raises(OSError, match="No such file"), Sandbox(tls_cert=missing, tls_key=missing):
        pass


def test_it_serves_https(tmp_path: Path, sandbox_with: Callable[..., Api]) -> None:
    certificate = self_signed(tmp_path / "certificate.pem")
    api = sandbox_with(tls_cert=certificate, tls_key=certificate)
    assert api.sandbox.url.startswith("https://127.0.0.1:")
    task_id = api.create(numbers(100), verify=certificate).json()["task_id"]
    task = until(
        lambda: api.get(task_id, verify=certificate).json(), lambda task: task["status"] == "exported"
    )
    assert task["result_url"].startswith(f"{api.sandbox.url}/externalcheck/")
    assert requests.get(task["result_url"], verify=certificate, timeout=TIMEOUT).content[:2] == b"PK"


def test_the_connection_can_be_given_as_a_uri(api: Api) -> None:
    uri = urlsplit(api.sandbox.connection_uri)
    assert (uri.scheme, uri.username) == ("checknumber", "")
    assert unquote(uri.password or "") == api.sandbox.api_key
    assert unquote(uri.netloc.rpartition("@")[2]) == api.sandbox.url
    assert api.sandbox.environment == {"AIRFLOW_CONN_CHECKNUMBER_DEFAULT": api.sandbox.connection_json}


def test_sandboxes_stand_side_by_side_and_share_nothing() -> None:
    with ExitStack() as stack:
        one, two = (Api(stack.enter_context(Sandbox())) for _ in range(2))
        assert one.sandbox.api_key != two.sandbox.api_key
        assert one.create().status_code == 200
        assert two.charged() == 0


def test_a_sandbox_ends_while_requests_are_held_and_work_is_going_on(private_tmp: Path) -> None:
    with Sandbox(queue_seconds=0) as sandbox:
        api = Api(sandbox)
        sandbox.set_fault("hold", endpoint="create")
        outcome: list[BaseException] = []

        def create() -> None:
            try:
                api.create(numbers(300_000))
            except requests.ConnectionError as error:
                outcome.append(error)

        held = threading.Thread(target=create)
        held.start()
        until(sandbox.state, lambda state: state["charges"])
    held.join(TIMEOUT)
    assert len(outcome) == 1
    assert list(private_tmp.iterdir()) == []


def test_a_sandbox_that_is_not_running_says_so() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        _ = Sandbox().url


def test_it_imports_neither_airflow_nor_the_client() -> None:
    code = (
        "import sys, airflow_provider_checknumber.sandbox.__main__;"
        "print([m for m in sys.modules if m.split('.')[0] in ('airflow', 'requests', 'pandas')"
        " or m.startswith('airflow_provider_checknumber.client')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, timeout=TIMEOUT
    )
    assert done.stdout.strip() == "[]", done.stderr
