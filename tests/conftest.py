"""Gives every test session an Airflow of its own, in a temporary folder, before anything imports Airflow.

Fixtures for tests that need more than imports:

``airflow_db``       the metadata database of this process is migrated.
``private_airflow``  makes further Airflow homes, whose DAGs run in subprocesses.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import hypothesis
import pytest

from airflow_provider_checknumber.sandbox.demo_airflow import AirflowCommandError, PrivateAirflow
from tests.support.airflow_home import airflow_home, migrated_database

_SESSION_HOME = Path(tempfile.mkdtemp(prefix="checknumber-tests-"))
_SESSION_DAGS = _SESSION_HOME / "dags"
_SESSION_DAGS.mkdir()


def _use_session_home() -> None:
    """Replace whatever Airflow the caller's shell is set up for, which no test may read or write."""
    environment = PrivateAirflow(_SESSION_HOME, dags_folder=_SESSION_DAGS).environment()
    os.environ.clear()
    os.environ.update(environment)


_use_session_home()

# What ends the tests from outside has them tidy up as Ctrl-C does: what they have started would go on.
signal.signal(signal.SIGTERM, signal.default_int_handler)

# An example that takes long says that the machine is busy, and nothing about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


# A shell that starts the tests in the background has them ignore Ctrl-C, and so everything that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    shutil.rmtree(_SESSION_HOME, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what an Airflow that failed has said."""
    report = yield
    if call.excinfo is not None and isinstance(error := call.excinfo.value, AirflowCommandError):
        report.sections.append(("The last lines of Airflow", "\n".join(error.tail)))
    return report


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated metadata database to copy."""
    return migrated_database(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def airflow_db(airflow_database: Path) -> None:
    """The metadata database that Airflow code in this process uses is migrated; it lasts for the session."""
    shutil.copyfile(airflow_database, _SESSION_HOME / "airflow.db")


@pytest.fixture
def private_airflow(tmp_path: Path, airflow_database: Path) -> Callable[..., PrivateAirflow]:
    """Makes an Airflow home: ``private_airflow(dag_files=[…], connections={…}).test_dag("dag_id")``."""

    def make(name: str = "airflow", **arguments: object) -> PrivateAirflow:
        return airflow_home(tmp_path / name, database=airflow_database, **arguments)  # type: ignore[arg-type]

    return make
