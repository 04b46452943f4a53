"""Tables as OpenLineage knows them: named by its rules, with the columns that the database has."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_checknumber import lineage
from tests.support.postgres import Postgres
from tests.warehouse import databases


def test_a_table_of_postgresql_is_named_by_host_database_and_schema(postgres_server: Postgres) -> None:
    with databases.postgres(postgres_server) as warehouse:
        ((database,),) = warehouse.run("SELECT current_database()")
        warehouse.run('CREATE TABLE "checks" ("number" text, "twitter" boolean)')
        written = lineage.written_table(warehouse.hook, "checks", rows=3)
        elsewhere = lineage.written_table(warehouse.hook, "reporting.checks", rows=None)
        read = lineage.query(warehouse.hook, "SELECT phone FROM customers JOIN crm.people USING (id)")

    assert written.namespace.startswith("postgres://")
    assert written.namespace.endswith(":5432")
    assert written.name == f"{database}.public.checks"
    assert {field.name: field.type for field in written.facets["schema"].fields} == {
        "number": "TEXT",
        "twitter": "BOOLEAN",
    }
    assert written.outputFacets["outputStatistics"].rowCount == 3
    assert (elsewhere.name, elsewhere.outputFacets) == (f"{database}.reporting.checks", {})
    assert sorted(table.name for table in read) == [f"{database}.crm.people", f"{database}.public.customers"]


def test_a_table_of_mariadb_is_named_by_host_and_database() -> None:
    with databases.mariadb(local_infile=False) as warehouse:
        ((database,),) = warehouse.run("SELECT database()")
        table = lineage.written_table(warehouse.hook, "checks", rows=None)

    assert (table.namespace, table.name) == ("mysql://127.0.0.1:3306", f"{database}.checks")


def test_a_table_in_a_file_is_named_by_the_file(tmp_path: Path) -> None:
    with databases.sqlite(tmp_path) as warehouse:
        table = lineage.written_table(warehouse.hook, "checks", rows=None)

    assert (table.namespace, table.name) == (f"sqlite://{tmp_path}/warehouse.db", "checks")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/data/numbers.txt", ("file", "/data/numbers.txt")),
        ("s3://aws_default@lake/customers/1.csv", ("s3://lake", "customers/1.csv")),
        ("gs://lake/customers.parquet", ("gs://lake", "customers.parquet")),
    ],
)
def test_a_file_is_named_without_the_connection_that_opens_it(path: str, named: tuple[str, str]) -> None:
    (dataset,) = lineage.number_list(path)

    assert (dataset.namespace, dataset.name) == named


def test_numbers_from_another_task_are_no_dataset() -> None:
    assert lineage.number_list(["+12025550100"]) == []
