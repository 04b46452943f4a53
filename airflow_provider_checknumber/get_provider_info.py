"""What Airflow is told about this package: its modules and its connection types with their forms.

Airflow calls :func:`get_provider_info` in every process it starts, so nothing here imports anything heavy.
The connection form is described once, here: Airflow 3.2 and newer read it from the provider info, older
versions ask the hook classes, which answer with :func:`ui_field_behaviour` and
:func:`connection_form_widgets`.
"""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_checknumber"

# Connection type, its name in the UI, its hook class and the service's base URL
# (service documentation, "Dosya yükleme istek URL'si").
_SERVICES = (
    ("checknumber", "CheckNumber", "CheckNumberHook", "https://api.checknumber.ai"),
    ("ekycpro", "eKYC Pro", "EkycProHook", "https://api.ekycpro.com"),
)

_FORMS: dict[str, dict[str, Any]] = {
    connection_type: {
        "hidden-fields": ["schema", "login", "port", "extra"],
        "relabeling": {"host": "Service URL", "password": "API key"},
        "placeholders": {
            "host": f"{base_url} (leave empty for this default)",
            "password": "the key sent as X-API-Key",
        },
    }
    for connection_type, _, _, base_url in _SERVICES
}

# The connection's extra fields, all optional: name, label, description, JSON schema.
_SECONDS = {"type": ["integer", "null"], "minimum": 1}
_EXTRA_FIELDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        "read_timeout",
        "Read timeout",
        "Seconds to wait for the answer to a question about a task; default 60.",
        _SECONDS,
    ),
    (
        "submit_timeout",
        "Submit timeout",
        "Seconds to wait for the answer to a submission; default 600.",
        _SECONDS,
    ),
    (
        "result_hosts",
        "Result hosts",
        "Hosts that results may be downloaded from, with commas between them; *.example.com for all below.",
        {"type": ["string", "null"]},
    ),
    (
        "dashboard_url",
        "Dashboard URL",
        "Where the link of a task leads; default: the service's own dashboard.",
        {"type": ["string", "null"]},
    ),
)


def ui_field_behaviour(connection_type: str) -> dict[str, Any]:
    """Return the connection form of ``connection_type`` the way a hook's ``get_ui_field_behaviour`` does.

    :param connection_type: ``checknumber`` or ``ekycpro``.
    :raises KeyError: for a connection type that this provider does not have.
    """
    return {key.replace("-", "_"): value for key, value in _FORMS[connection_type].items()}


def connection_form_widgets() -> dict[str, Any]:
    """Return the extra fields of the connection form the way a hook's ``get_connection_form_widgets`` does.

    :raises ImportError: where the form library of Airflow before 3.2 is not installed.
    """
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import IntegerField, StringField
    from wtforms.validators import Optional

    return {
        name: (IntegerField if schema is _SECONDS else StringField)(
            label, [Optional()], description=description, widget=BS3TextFieldWidget()
        )
        for name, label, description, schema in _EXTRA_FIELDS
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, valid under Airflow's own ``provider_info.schema.json``."""
    name = "CheckNumber"
    return {
        "package-name": "airflow-provider-checknumber",
        "name": name,
        "description": "Bulk phone number checks with CheckNumber and eKYC Pro.",
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://checknumber.ai",
                "tags": ["service"],
            },
        ],
        "operators": [_modules(name, "operators.checknumber")],
        "sensors": [_modules(name, "sensors.checknumber")],
        "hooks": [_modules(name, "hooks.checknumber")],
        "triggers": [_modules(name, "triggers.checknumber")],
        "transfers": [
            {
                "source-integration-name": name,
                "target-integration-name": "Common SQL",
                "python-module": f"{_PACKAGE}.transfers.checknumber_to_sql",
            },
            {
                "source-integration-name": name,
                "target-integration-name": "Object Storage",
                "python-module": f"{_PACKAGE}.transfers.checknumber_to_object_storage",
            },
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": name,
                "python-module": f"{_PACKAGE}.transfers.sql_to_checknumber",
            },
        ],
        "extra-links": [f"{_PACKAGE}.links.checknumber.CheckNumberDashboardLink"],
        "connection-types": [
            {
                "connection-type": connection_type,
                "hook-name": hook_name,
                "hook-class-name": f"{_PACKAGE}.hooks.checknumber.{hook_class}",
                "ui-field-behaviour": _FORMS[connection_type],
                "conn-fields": {
                    field: {"label": label, "description": description, "schema": schema}
                    for field, label, description, schema in _EXTRA_FIELDS
                },
            }
            for connection_type, hook_name, hook_class, _ in _SERVICES
        ],
    }


def _modules(integration: str, *modules: str) -> dict[str, Any]:
    return {"integration-name": integration, "python-modules": [f"{_PACKAGE}.{module}" for module in modules]}
