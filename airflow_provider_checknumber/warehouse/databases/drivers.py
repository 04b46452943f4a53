"""What DB-API drivers have in common (PEP 249): their errors, the codes of these, and what their type codes mean."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from airflow_provider_checknumber.warehouse.columns import Family

_SQLSTATE = re.compile(r"[0-9][0-9A-Z]{4}|HY[0-9A-Z]{3}|IM[0-9A-Z]{3}")
_TYPE_CODES: tuple[tuple[Family, str, tuple[type, ...]], ...] = (
    ("text", "STRING", (str,)),
    ("number", "NUMBER", (int, float, Decimal)),
)


def base_error(connection: Any) -> type[Exception]:
    """Return the base class of the errors of a connection's driver, which it exports as ``Error``."""
    errors = (error for error in _exported(connection, "Error") if isinstance(error, type))
    return next((error for error in errors if issubclass(error, Exception)), Exception)


def family(connection: Any, code: Any) -> Family:
    """
    Return what a column holds of which the driver says this type code: text or numbers, if that is known.

    A code equals one of the driver's own objects ``STRING`` and ``NUMBER``, or is one of Python's types.
    """
    for kind, name, types in _TYPE_CODES:
        if code in types or any(code == known for known in _exported(connection, name)):
            return kind
    return "other"


def _exported(connection: Any, name: str) -> Iterator[Any]:
    """Yield what the driver's modules call by this name, innermost first."""
    for ancestor in type(connection).__mro__:
        path = ancestor.__module__
        while path:
            if (found := getattr(sys.modules.get(path), name, None)) is not None:
                yield found
            path = path.rpartition(".")[0]


def fault_code(error: Exception) -> str | int | None:
    """Return a driver's error code: an SQLSTATE, SQLite's own name or MySQL's number, where there is one."""
    first = error.args[0] if error.args else None
    if isinstance(first, int) or (isinstance(first, str) and _SQLSTATE.fullmatch(first)):  # MySQL's, ODBC's.
        return first
    for attribute in ("pgcode", "sqlstate", "sqlite_errorname"):
        if isinstance(code := getattr(error, attribute, None), str):
            return code
    return None
