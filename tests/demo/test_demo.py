"""The demo does what it says, for either service, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from airflow_provider_checknumber.sandbox import demo

COMMAND = [sys.executable, "-m", "airflow_provider_checknumber.sandbox.demo"]


@pytest.fixture
def temporary_files(tmp_path, monkeypatch) -> Path:
    """Where the demo makes its folder."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize(("service", "column"), [("checknumber", "twitter"), ("ekycpro", "htx")])
def test_it_runs_the_example_dag_of_a_service_and_shows_its_table(service, column, temporary_files):
    done = subprocess.run(
        [*COMMAND, "--service", service, "--numbers", "1234"], capture_output=True, text=True, timeout=600
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "task submit" in done.stdout
    assert "deferred: from here on the triggerer waits" in done.stdout
    assert "1,234 rows: " in done.stdout
    assert f"number         {column}" in done.stdout
    assert "All 1,234 submitted numbers are in the table" in done.stdout
    assert list(temporary_files.iterdir()) == []


def test_a_failed_run_is_told_with_the_end_of_airflows_log(temporary_files, monkeypatch, capsys):
    monkeypatch.setattr(demo, "made_up_numbers", lambda count: ["+447700900000", "no number"])

    status = demo.main(["--numbers", "2"])

    complaint = capsys.readouterr().err
    assert status == 1
    assert "`airflow dags test example_checknumber_twitter` ended with status 1" in complaint
    assert "numbers.txt was not sent: " in complaint
    assert list(temporary_files.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_everything_it_started(number, temporary_files):
    demonstration = subprocess.Popen([*COMMAND, "--numbers", "10"], stdout=subprocess.PIPE, text=True)
    for line in demonstration.stdout:
        if line.startswith("3/5"):
            break
    while not (children := psutil.Process(demonstration.pid).children(recursive=True)):
        pass

    demonstration.send_signal(number)

    rest, _ = demonstration.communicate(timeout=60)
    assert "Stopped; nothing is left behind." in rest
    assert demonstration.returncode == 128 + number
    assert [child for child in children if child.is_running()] == []
    assert list(temporary_files.iterdir()) == []


def test_what_is_kept_can_be_looked_at(temporary_files, capsys):
    with demo._folder(keep=True) as folder:
        (folder / "numbers.txt").touch()

    assert f"Kept: {folder}" in capsys.readouterr().out
    assert list(temporary_files.iterdir()) == [folder]


@pytest.mark.parametrize("numbers", ["0", "-5", "1e3", "ten", "10000001"])
def test_a_count_that_makes_no_sense_is_refused_in_one_sentence(numbers, capsys):
    with pytest.raises(SystemExit, match="2"):
        demo.main([f"--numbers={numbers}"])

    assert f"{numbers} is no whole number from 1 to 10,000,000" in capsys.readouterr().err


def test_airflow_2_and_3_are_understood_alike():
    logger = (
        "airflow.task.operators.airflow_provider_checknumber.operators.checknumber.CheckNumberSubmitOperator"
    )
    lines = [
        f"2026-11-21T23:12:42.133+0000 [INFO] CheckNumber task d4g8 was created. [{logger}]",
        f"2026-11-21T23:12:04.067413Z [info     ] CheckNumber task d4g8 was created. [{logger}] loc=submit.py:69",
    ]

    assert [demo._news(line) for line in lines] == ["    CheckNumber task d4g8 was created."] * 2


def test_the_callers_shell_survives(temporary_files):
    """Handlers that the demo installs are gone when it returns, so that it can be called by a program."""
    before = signal.getsignal(signal.SIGTERM)

    with demo._signals_stop(), pytest.raises(demo.Stopped):
        os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is before
