"""What may be imported is what is meant to be: no more, and nothing missing."""

from __future__ import annotations

import importlib
import inspect

import pytest

PACKAGE = "airflow_provider_checknumber"
LAYERS = ["billing", "client", "numbers", "results", "warehouse", "sandbox"]

FOR_DAG_AUTHORS = {
    "hooks.checknumber": {"CheckNumberHook", "EkycProHook"},
    "operators.checknumber": {"CheckNumberSubmitOperator"},
    "sensors.checknumber": {"CheckNumberTaskSensor"},
    "links.checknumber": {"CheckNumberDashboardLink"},
    "triggers.checknumber": {"CheckNumberTaskTrigger"},
    "transfers.checknumber_to_object_storage": {"CheckNumberToObjectStorageOperator"},
    "transfers.checknumber_to_sql": {"CheckNumberToSqlOperator"},
    "transfers.sql_to_checknumber": {"SqlToCheckNumberOperator"},
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_exports_what_it_names(layer):
    module = importlib.import_module(f"{PACKAGE}.{layer}")

    present = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }

    assert sorted(present) == sorted(module.__all__)


@pytest.mark.parametrize("layer", LAYERS)
def test_what_a_layer_exports_is_documented(layer):
    module = importlib.import_module(f"{PACKAGE}.{layer}")
    exported = [getattr(module, name) for name in module.__all__]

    assert [
        value.__name__
        for value in exported
        if (inspect.isclass(value) or inspect.isfunction(value)) and not inspect.getdoc(value)
    ] == []


@pytest.mark.parametrize("name", FOR_DAG_AUTHORS)
def test_a_module_for_dag_authors_holds_the_classes_they_expect(name):
    module = importlib.import_module(f"{PACKAGE}.{name}")

    defined = {
        member
        for member, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not member.startswith("_")
    }

    assert defined == FOR_DAG_AUTHORS[name]


@pytest.mark.parametrize(
    ("module", "member"),
    [(module, member) for module, members in FOR_DAG_AUTHORS.items() for member in members],
)
def test_arguments_are_documented_and_given_by_name(module, member):
    """A DAG author reads the class's docstring; Airflow itself hands an operator its arguments by name."""
    made = getattr(importlib.import_module(f"{PACKAGE}.{module}"), member)
    arguments = [
        argument
        for name, argument in inspect.signature(made).parameters.items()
        if name not in ("args", "kwargs")
    ]

    assert [a.name for a in arguments if f":param {a.name}:" not in (inspect.getdoc(made) or "")] == []
    if not member.endswith("Hook"):
        assert [a.name for a in arguments if a.kind is not inspect.Parameter.KEYWORD_ONLY] == []
