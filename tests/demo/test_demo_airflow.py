"""The private Airflow of the demo and the tests: apart from the machine's own, and gone when it should be."""

from __future__ import annotations

import os
import signal
import time

import pytest

from airflow_provider_checknumber.sandbox.demo_airflow import AirflowCommandError, PrivateAirflow


def test_the_callers_own_airflow_does_not_reach_it(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "vault")
    monkeypatch.setenv("AIRFLOW_CONN_CHECKNUMBER_DEFAULT", "checknumber://:real-key@")

    environment = PrivateAirflow(tmp_path, dags_folder=tmp_path).environment()

    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{tmp_path}/airflow.db"
    assert "AIRFLOW__SECRETS__BACKEND" not in environment
    assert "AIRFLOW_CONN_CHECKNUMBER_DEFAULT" not in environment


def test_a_failed_command_tells_the_end_of_its_log(private_airflow):
    seen = []

    with pytest.raises(AirflowCommandError, match="`airflow dags test missing` ended with status") as caught:
        private_airflow().run("dags", "test", "missing", "--conf", "{}", on_line=seen.append)

    assert any("could not be found" in line for line in caught.value.tail)
    assert caught.value.tail == seen[-30:]


def test_leaving_the_block_ends_every_process_it_started(tmp_path):
    airflow = PrivateAirflow(tmp_path, dags_folder=tmp_path, python=tmp_path / "python")
    (tmp_path / "python").write_text("#!/bin/sh\nsleep 600 & echo $!\nwait\n")
    (tmp_path / "python").chmod(0o755)

    with airflow.start("scheduler") as process:
        grandchild = int(process.stdout.readline())
        os.kill(grandchild, 0)

    assert process.returncode == -signal.SIGTERM
    assert _ends(grandchild)


def test_a_command_that_hangs_is_stopped(tmp_path):
    airflow = PrivateAirflow(tmp_path, dags_folder=tmp_path, python=tmp_path / "python")
    (tmp_path / "python").write_text("#!/bin/sh\necho started\nexec sleep 600\n")
    (tmp_path / "python").chmod(0o755)

    with pytest.raises(AirflowCommandError, match="was stopped after 1 seconds") as caught:
        airflow.run("scheduler", timeout=1)

    assert caught.value.tail == ["started"]


def _ends(pid: int) -> bool:
    """Wait for a process that was killed; its parent is gone, so init has to reap it first."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.05)
    return False
