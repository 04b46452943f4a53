"""Interpreters with other versions of Airflow, each in an environment of its own, made by uv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.deployment import REPOSITORY

#: FastAPI that goes with a version that allows newer ones too, which refuse its models.
_FASTAPI = {"3.2": ["fastapi<0.137"]}


def installed_airflow() -> str:
    """Return the version of Airflow that this interpreter has, e.g. ``3.3``."""
    from importlib.metadata import version

    return ".".join(version("apache-airflow").split(".")[:2])


def python_with_airflow(version: str, folder: Path) -> str:
    """
    Return an interpreter that has this version of Airflow and the package.

    :param version: major and minor, e.g. ``2.11``.
    :param folder: where an environment is made, unless this interpreter is such a one.
    :raises subprocess.CalledProcessError: uv could not make it.
    """
    if version == installed_airflow():
        return sys.executable
    python = str(folder / "bin" / "python")
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    wanted = [f"apache-airflow[postgres]=={version}.*", *_FASTAPI.get(version, []), str(REPOSITORY)]
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *wanted], check=True)
    return python
