"""Redshift: the generic loader with its types. It speaks PostgreSQL's protocol, but its ``COPY`` reads S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from airflow_provider_checknumber.warehouse.columns import Kind
from airflow_provider_checknumber.warehouse.databases.base import Database


class RedshiftDatabase(Database):
    """The loader for Redshift, reached through a PostgreSQL connection."""

    label: ClassVar[str] = "Redshift"
    #: Its ``TEXT`` is 256 bytes long, so lengths are named.
    types: ClassVar[Mapping[Kind, str]] = {
        "number": "VARCHAR(320)",
        "name": "VARCHAR(255)",
        "boolean": "BOOLEAN",
        "text": "VARCHAR(65535)",
        "timestamp": "TIMESTAMPTZ",
    }
