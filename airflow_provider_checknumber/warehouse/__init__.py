"""
Results into tables: one loader a database, one interface.

Knows a ``DbApiHook`` that is passed to it and nothing else of Airflow. Not for: fetching or reading
archives (``results``), or what a DAG author sees (``transfers``).
"""

from __future__ import annotations

from airflow_provider_checknumber.warehouse.columns import Check, SourceColumn
from airflow_provider_checknumber.warehouse.databases import WriteDisposition
from airflow_provider_checknumber.warehouse.errors import (
    ShortfallError,
    TableError,
    WarehouseBusyError,
    WarehouseError,
    WarehouseRefusedError,
    WarehouseUnreachableError,
)
from airflow_provider_checknumber.warehouse.loading import OnNewColumn, load
from airflow_provider_checknumber.warehouse.reading import QueryError, answered_since, open_query
from airflow_provider_checknumber.warehouse.report import LoadReport

__all__ = [
    "Check",
    "LoadReport",
    "OnNewColumn",
    "QueryError",
    "ShortfallError",
    "SourceColumn",
    "TableError",
    "WarehouseBusyError",
    "WarehouseError",
    "WarehouseRefusedError",
    "WarehouseUnreachableError",
    "WriteDisposition",
    "answered_since",
    "load",
    "open_query",
]
