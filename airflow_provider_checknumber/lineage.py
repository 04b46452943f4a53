"""
Lineage: from which list or query, through which check, into which table or file.

A check stands between them as the dataset ``checknumber://<service's host>``, ``<task type>``, the same for every
run; which of the service's tasks a run was is its facet ``externalQuery``. Tables are named as the database's hook
names them to OpenLineage. The text of a query is left out: it may hold numbers.

OpenLineage's own classes are imported when its provider asks. Not for: what Airflow's assets carry (``service_task``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from airflow_provider_checknumber.client import Endpoint
from airflow_provider_checknumber.warehouse.names import TableName

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset, OutputDataset
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.providers.openlineage.extractors import OperatorLineage


def operator_lineage(
    *,
    endpoint: Endpoint,
    checknumber_task_ids: str | Sequence[str] | None,
    inputs: Iterable[Dataset],
    outputs: Iterable[Dataset],
) -> OperatorLineage[Any, Any]:
    """
    Return what an operator tells OpenLineage.

    :param endpoint: the service.
    :param checknumber_task_ids: its tasks that the run was, None where there is none.
    :param inputs: what was read.
    :param outputs: what was written.
    """
    from airflow.providers.common.compat.openlineage.facet import ExternalQueryRunFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    ids = [checknumber_task_ids] if isinstance(checknumber_task_ids, str) else checknumber_task_ids or []
    facet = ExternalQueryRunFacet(externalQueryId=",".join(ids), source=endpoint.host)
    return OperatorLineage(
        inputs=list(inputs), outputs=list(outputs), run_facets={"externalQuery": facet} if ids else {}
    )


def check(endpoint: Endpoint, task_type: str) -> Dataset:
    """Return the dataset that a check is."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    return Dataset(namespace=f"checknumber://{endpoint.host}", name=task_type)


def number_list(source: Any) -> list[Dataset]:
    """
    Return the dataset that a list of numbers is.

    :param source: a path or a URI; numbers from another task are no dataset.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    return [Dataset(**_file(str(source)))] if isinstance(source, str | Path) else []


def written_file(uri: str, *, rows: int, size: int) -> OutputDataset:
    """
    Return the dataset that a file of results is.

    :param uri: its path or URI.
    :param rows: how many are in it.
    :param size: in bytes.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )

    statistics = OutputStatisticsOutputDatasetFacet(rowCount=rows, size=size)
    return OutputDataset(**_file(uri), outputFacets={"outputStatistics": statistics})


def query(hook: DbApiHook, sql: str) -> list[Dataset]:
    """
    Return the tables that a query reads.

    :param hook: of its database.
    :param sql: the query.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.sqlparser import SQLParser

    connection = hook.get_connection(hook.get_conn_id())
    parsed = SQLParser(dialect=hook.get_openlineage_database_dialect(connection)).parse([sql])
    tables = parsed.in_tables if parsed is not None else []
    return [
        Dataset(**_table(hook, [part for part in (table.database, table.schema, table.name) if part]))
        for table in tables
    ]


def written_table(hook: DbApiHook, table: str, *, rows: int | None) -> OutputDataset:
    """
    Return the dataset that a table of results is, with its columns where SQLAlchemy can read them.

    :param hook: of its database.
    :param table: its name.
    :param rows: that were loaded, None where that is not known.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )

    name = TableName.parse(table)
    facets: dict[str, Any] = {}
    with suppress(Exception):  # There is no dialect for the database, or the table is gone.
        columns = hook.inspector.get_columns(name.table, schema=name.schema)
        fields = [SchemaDatasetFacetFields(name=c["name"], type=str(c["type"])) for c in columns]
        facets["schema"] = SchemaDatasetFacet(fields=fields)
    statistics: dict[str, Any] = {}
    if rows is not None:
        statistics["outputStatistics"] = OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(**_table(hook, name.parts), facets=facets, outputFacets=statistics)


def collect(hook: Any, endpoint: Endpoint, task_type: str, *, number_file: Path | None = None) -> None:
    """
    Tell Airflow's collector what a hook's method has read and written, for tasks that call it themselves.

    :param hook: the hook.
    :param endpoint: the service.
    :param task_type: its name of the check.
    :param number_file: the list that was submitted; None where the result was read.
    """
    uri = f"checknumber://{endpoint.host}/{task_type}"
    with suppress(Exception):  # A task type may hold what no asset's name may.
        collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        if number_file is None:
            collector.add_input_asset(context=hook, uri=uri)
            return
        collector.add_output_asset(context=hook, uri=uri)
        # A temporary file, as operators submit, is gone with its task.
        if not number_file.is_relative_to(tempfile.gettempdir()):
            collector.add_input_asset(context=hook, uri=f"file://{number_file.absolute()}")


def _file(uri: str) -> dict[str, Any]:
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        return {"namespace": "file", "name": parts.path}
    # Airflow's connection stands before the @.
    return {
        "namespace": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        "name": parts.path.lstrip("/"),
    }


def _table(hook: DbApiHook, parts: Sequence[str]) -> dict[str, Any]:
    """Name a table by OpenLineage's rules, which the hooks of many databases know."""
    connection = hook.get_connection(hook.get_conn_id())
    info = hook.get_openlineage_database_info(connection)
    if info is None:
        # A file, as a rule. What follows a question mark may be a token.
        place = (connection.host or connection.schema or "").partition("?")[0]
        return {"namespace": f"{connection.conn_type}://{place}", "name": ".".join(parts)}
    outer = [info.database or connection.schema, hook.get_openlineage_default_schema()]
    around = [name for name in outer if name]
    missing = max(len(around) + 1 - len(parts), 0)
    namespace = f"{info.scheme}://{info.authority}" if info.authority else info.scheme
    return {"namespace": namespace, "name": ".".join([*around[:missing], *parts])}
