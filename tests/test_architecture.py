"""The rules of the house that a reader of the README relies on, checked on the source itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_checknumber

PACKAGE = Path(airflow_provider_checknumber.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
EVERY_FILE = sorted(
    file for top in (PACKAGE, ROOT / "tests", ROOT / "example_dags") for file in top.rglob("*.py")
)

WITHOUT_AIRFLOW = ("billing", "client", "numbers", "results", "sandbox", "warehouse")
MAY_PRINT = ("sandbox/__main__.py", "sandbox/demo.py")
LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def imports(tree: ast.AST, *, for_types: bool) -> Iterator[str]:
    """The modules that ``tree`` imports anywhere, in functions too; with or without ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If) and not for_types and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.orelse:
                yield from imports(ast.Module([statement], []), for_types=for_types)
        else:
            yield from imports(node, for_types=for_types)


def is_airflow(module: str) -> bool:
    return module == "airflow" or module.startswith("airflow.")


@pytest.mark.parametrize("layer", WITHOUT_AIRFLOW)
def test_a_layer_below_the_operators_never_imports_airflow(layer):
    files = sorted((PACKAGE / layer).rglob("*.py"))
    assert files

    # The loaders are handed a hook and may name its type; the other layers know nothing of Airflow.
    offenders = {
        relative(file): bad
        for file in files
        if (bad := [m for m in imports(parse(file), for_types=layer != "warehouse") if is_airflow(m)])
    }

    assert offenders == {}


def test_the_layers_below_the_operators_load_without_airflow():
    """What they import in turn counts too."""
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for layer in WITHOUT_AIRFLOW
        for file in sorted((PACKAGE / layer).rglob("*.py"))
    ]
    program = (
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "sys.exit('airflow' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("layer", WITHOUT_AIRFLOW)
def test_a_layer_below_the_operators_never_imports_one_above_it(layer):
    above = ("hooks", "operators", "sensors", "triggers", "transfers")
    forbidden = tuple(f"{PACKAGE.name}.{name}" for name in above)

    offenders = {
        relative(file): bad
        for file in (PACKAGE / layer).rglob("*.py")
        if (bad := [m for m in imports(parse(file), for_types=True) if m.startswith(forbidden)])
    }

    assert offenders == {}


def test_airflow_is_reached_through_what_is_the_same_in_every_version():
    """Providers' compatibility layer has one path for all versions; what differs sits in version_compat."""
    same_everywhere = ("airflow.providers.", "airflow.triggers.base")
    files = [file for file in MODULES if file.name != "version_compat.py"]

    offenders = {
        relative(file): bad
        for file in files
        if (
            bad := [
                m
                for m in imports(parse(file), for_types=True)
                if is_airflow(m) and not m.startswith(same_everywhere)
            ]
        )
    }

    assert offenders == {}


def test_imports_within_the_package_are_absolute():
    offenders = [
        relative(file)
        for file in MODULES
        for node in ast.walk(parse(file))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert offenders == []


def test_only_the_command_lines_print():
    offenders = [
        f"{relative(file)}:{node.lineno}"
        for file in MODULES
        if not relative(file).endswith(MAY_PRINT)
        for node in ast.walk(parse(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]

    assert offenders == []


def test_every_module_says_what_it_is_for():
    # An empty __init__.py is for nothing but being there.
    with_code = [file for file in MODULES if file.read_text(encoding="utf-8").strip()]

    assert [relative(file) for file in with_code if not ast.get_docstring(parse(file))] == []


def test_files_are_short_enough_to_read():
    lengths = {relative(file): len(file.read_text(encoding="utf-8").splitlines()) for file in EVERY_FILE}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_functions_are_short_enough_to_read():
    offenders = {
        f"{relative(file)}:{node.name}": lines
        for file in EVERY_FILE
        for node in ast.walk(parse(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > LONGEST_FUNCTION
    }

    assert offenders == {}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code below the signature; a docstring may be as long as its reader needs it."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
