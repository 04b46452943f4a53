"""Interpreters with other versions of Airflow, each in an environment of its own, made by uv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.deployment import REPOSITORY

#: For the versions of Airflow that do not work with everything that they allow.
_CONSTRAINTS = REPOSITORY / "tests" / "constraints"


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
    wanted = [f"apache-airflow[postgres]=={version}.*", str(REPOSITORY)]
    if (constraints := _CONSTRAINTS / f"airflow-{version}.txt").exists():
        wanted += ["--constraints", str(constraints)]
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *wanted], check=True)
    return python
