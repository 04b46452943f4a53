"""What Airflow is told about this package: its modules and its connection types with their forms.

Airflow calls :func:`get_provider_info` in every process it starts, so nothing here imports anything heavy.
The connection form is described once, in ``_FORM``: Airflow 3.2 and newer read it from the provider info,
older versions from the hook's ``get_ui_field_behaviour()``, which answers with :func:`ui_field_behaviour`.
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

_FORM: dict[str, dict[str, Any]] = {
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


def ui_field_behaviour(connection_type: str) -> dict[str, Any]:
    """Return the connection form of ``connection_type`` the way a hook's ``get_ui_field_behaviour`` does.

    :param connection_type: ``checknumber`` or ``ekycpro``.
    :raises KeyError: for a connection type that this provider does not have.
    """
    form = _FORM[connection_type]
    return {key.replace("-", "_"): value for key, value in form.items()}


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
        ],
        "connection-types": [
            {
                "connection-type": connection_type,
                "hook-name": hook_name,
                "hook-class-name": f"{_PACKAGE}.hooks.checknumber.{hook_class}",
                "ui-field-behaviour": _FORM[connection_type],
            }
            for connection_type, hook_name, hook_class, _ in _SERVICES
        ],
    }


def _modules(integration: str, *modules: str) -> dict[str, Any]:
    return {"integration-name": integration, "python-modules": [f"{_PACKAGE}.{module}" for module in modules]}
