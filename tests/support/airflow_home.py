"""Airflow homes for tests: a folder each, with a migrated SQLite metadata database and DAGs of one's own.

Migrating takes six seconds, copying a migrated database none, so one is migrated a session and copied.
Use it through the fixtures in ``tests/conftest.py``: ``private_airflow`` and ``airflow_db``.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from airflow_provider_checknumber.sandbox.demo_airflow import PrivateAirflow

#: Airflow 3 makes an API server of seconds for each task that `dags test` runs; here one serves them all.
_LOCAL_SETTINGS = """
import contextlib, functools

with contextlib.suppress(ImportError):
    from airflow.sdk.execution_time import supervisor

    supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)
"""


def migrated_database(folder: Path, *, python: str | Path = sys.executable) -> Path:
    """Migrate a new metadata database in ``folder`` and return its file, for :func:`airflow_home` to copy.

    :param python: the interpreter whose Airflow, and so whose schema, it is for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    airflow = PrivateAirflow(folder, dags_folder=folder, python=python)
    airflow.migrate(timeout=600)
    return folder / "airflow.db"


def airflow_home(
    folder: Path,
    *,
    database: Path,
    dag_files: Iterable[Path] = (),
    connections: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    python: str | Path = sys.executable,
) -> PrivateAirflow:
    """Return an Airflow in ``folder`` that knows ``dag_files`` and ``connections`` only.

    :param folder: made if it is not there; ``folder / "dags"`` is the DAGs folder, to which a test may add.
    :param database: a migrated database of the same Airflow version, which is copied.
    :param connections: connection id to connection, as JSON or as a URI.
    :param settings: further environment variables of its processes.
    """
    dags = folder / "dags"
    dags.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(database, folder / "airflow.db")
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "airflow_local_settings.py").write_text(_LOCAL_SETTINGS)
    for file in dag_files:
        shutil.copy(file, dags)
    return PrivateAirflow(folder, dags_folder=dags, connections=connections, settings=settings, python=python)
