"""What Airflow is told about the package is valid, true, and the same wherever it is told."""

from __future__ import annotations

import importlib
import inspect
import json
from importlib.metadata import entry_points, version
from importlib.resources import files

import jsonschema
import pytest

import airflow_provider_checknumber
from airflow_provider_checknumber.get_provider_info import get_provider_info, ui_field_behaviour

CONNECTION_TYPES = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}


def load(dotted: str):
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_installed_airflow_accepts_the_description():
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())

    jsonschema.validate(get_provider_info(), schema)


def test_the_entry_point_leads_to_the_description():
    (entry,) = (
        point
        for point in entry_points(group="apache_airflow_provider")
        if point.dist.name == "airflow-provider-checknumber"
    )

    assert entry.load() is get_provider_info


def test_the_version_stands_in_one_place():
    assert version("airflow-provider-checknumber") == airflow_provider_checknumber.__version__


def test_every_module_that_is_named_can_be_imported():
    info = get_provider_info()
    named = [
        module
        for kind in ("operators", "sensors", "hooks", "triggers")
        for entry in info[kind]
        for module in entry["python-modules"]
    ] + [entry["python-module"] for entry in info["transfers"]]

    for module in named:
        importlib.import_module(module)


def test_every_module_with_a_class_for_dag_authors_is_named():
    info = json.dumps(get_provider_info())
    package = files("airflow_provider_checknumber")
    present = {
        f"airflow_provider_checknumber.{kind}.{file.name.removesuffix('.py')}"
        for kind in ("operators", "sensors", "hooks", "triggers", "transfers")
        for file in package.joinpath(kind).iterdir()
        if file.name.endswith(".py") and not file.name.startswith("_")
    }

    assert {module for module in present if has_airflow_class(module) and f'"{module}"' not in info} == set()


def has_airflow_class(module: str) -> bool:
    """Return whether an operator, hook or trigger is defined there; what helps them need not be named."""
    return any(
        inspect.isclass(value)
        and value.__module__ == module
        and any(base.__module__.startswith("airflow.") for base in value.__mro__)
        for value in vars(importlib.import_module(module)).values()
    )


@pytest.mark.parametrize("connection_type", ["checknumber", "ekycpro"])
def test_a_connection_type_is_the_one_its_hook_declares(connection_type):
    hook = load(CONNECTION_TYPES[connection_type]["hook-class-name"])

    assert hook.conn_type == connection_type
    assert hook.hook_name == CONNECTION_TYPES[connection_type]["hook-name"]


@pytest.mark.parametrize("connection_type", ["checknumber", "ekycpro"])
def test_old_and_new_airflow_draw_the_same_connection_form(connection_type):
    """Airflow before 3.2 asks the hook class itself, and only for methods that it does not inherit."""
    hook = load(CONNECTION_TYPES[connection_type]["hook-class-name"])

    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= set(vars(hook))
    assert hook.get_ui_field_behaviour() == ui_field_behaviour(connection_type)


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")  # For tasks, not for the UI.
def test_airflow_lists_both_connection_types(airflow_db):
    from airflow.providers_manager import ProvidersManager

    hooks = ProvidersManager().hooks

    assert {"checknumber", "ekycpro"} <= set(hooks)
    assert hooks["checknumber"].connection_testable
    assert hooks["ekycpro"].hook_name == "eKYC Pro"
