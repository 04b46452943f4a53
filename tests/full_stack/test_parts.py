"""
Airflow as its parts, each a process of its own: both examples, a backfill of ten days, a mapped run, and a DAG that
runs when another one has loaded its table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.sandbox.demo_numbers import made_up_numbers
from airflow_provider_checknumber.version_compat import STARTS_FROM_TRIGGER
from tests.full_stack import Secrets
from tests.support.certificates import self_signed
from tests.support.deployment import REPOSITORY, Deployment
from tests.support.postgres import Postgres, postgres_server

pytestmark = pytest.mark.skipif(not STARTS_FROM_TRIGGER, reason="the whole stack is that of Airflow 3.3")

DAYS = [f"2025-01-{day:02}" for day in range(1, 11)]
#: The lists that each table is filled from.
TABLES = {
    "twitter_accounts": ["twitter"],
    "htx_accounts": ["htx"],
    "list_of_a_day": DAYS,
    "list_in_parts": ["part-0", "part-1", "part-2"],
    "list_that_is_read": ["read"],
}
NAMES = [name for names in TABLES.values() for name in names]
LENGTH = 20
NUMBERS = list(made_up_numbers(LENGTH * len(NAMES)))
LISTS = {name: NUMBERS[place * LENGTH :][:LENGTH] for place, name in enumerate(NAMES)}
RUNS = {
    "example_checknumber_twitter": 1,
    "example_ekycpro_htx": 1,
    "list_of_a_day": len(DAYS),
    "list_in_parts": 1,
    "list_that_is_read": 1,
    "reader": 1,
}


@dataclass
class Ended:
    """What is left when all runs have ended and every part of Airflow is gone."""

    home: Path
    metadata: Postgres
    warehouse: Postgres
    services: list[Sandbox]

    def rows(self, table: str) -> list[tuple[str, str]]:
        """Return the numbers in a table of the warehouse, each with the service's id of its task."""
        return self.warehouse.query(f"SELECT number, checknumber_task_id FROM {table} ORDER BY number")

    def charges(self) -> list[dict[str, Any]]:
        return [charge for service in self.services for charge in service.state()["charges"]]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    folder = tmp_path_factory.mktemp("stack")
    for name, numbers in LISTS.items():
        (folder / f"{name}.txt").write_text("\n".join(numbers))
    certificate = self_signed(folder / "service.pem")
    with ExitStack() as stack:
        metadata = stack.enter_context(postgres_server())
        warehouse = stack.enter_context(metadata.new_database())
        services = {
            name: stack.enter_context(
                Sandbox(service=name, speed=5, tls_cert=certificate, tls_key=certificate)
            )
            for name in ("checknumber", "ekycpro")
        }
        airflow = Deployment(
            folder / "airflow",
            database=metadata,
            dag_files=[
                REPOSITORY / "example_dags" / "example_checknumber_twitter.py",
                REPOSITORY / "example_dags" / "example_ekycpro_htx.py",
                Path(__file__).with_name("lists_dags.py"),
            ],
            connections={
                "warehouse": warehouse.airflow_connection,
                **{f"{name}_default": sandbox.connection_json for name, sandbox in services.items()},
            },
            settings={"AIRFLOW_VAR_LISTS": str(folder), "REQUESTS_CA_BUNDLE": str(certificate)},
        )
        with airflow:
            airflow.start_all()
            airflow.trigger("example_checknumber_twitter", number_file=str(folder / "twitter.txt"))
            airflow.trigger("example_ekycpro_htx", number_file=str(folder / "htx.txt"))
            airflow.trigger("list_in_parts")
            airflow.trigger("list_that_is_read")
            first, *_, last = DAYS
            days = ("--from-date", first, "--to-date", last)
            airflow.airflow.run("backfill", "create", "--dag-id", "list_of_a_day", *days)
            airflow.wait_until(lambda: len(run_states(metadata)) == sum(RUNS.values()), timeout=300)
        yield Ended(airflow.airflow.home, metadata, warehouse, list(services.values()))


def run_states(metadata: Postgres) -> list[tuple[str, str]]:
    """Return the DAG and the state of every run that has ended."""
    return metadata.query(
        "SELECT dag_id, state FROM dag_run WHERE state IN ('success', 'failed') ORDER BY dag_id"
    )


def test_every_run_succeeds(ended: Ended) -> None:
    assert run_states(ended.metadata) == [
        (dag_id, "success") for dag_id, runs in sorted(RUNS.items()) for _ in range(runs)
    ]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_holds_every_number_of_its_lists_once(ended: Ended, table: str) -> None:
    expected = sorted(number for name in TABLES[table] for number in LISTS[name])

    assert [number for number, _ in ended.rows(table)] == expected


def test_each_list_is_billed_once_and_the_answers_loaded_are_those_paid_for(ended: Ended) -> None:
    of_task = {charge["task_id"]: charge["numbers"] for charge in ended.charges()}
    loaded = Counter(task_id for table in TABLES for _, task_id in ended.rows(table))

    assert len(ended.charges()) == len(of_task) == len(LISTS)
    assert loaded == of_task


def test_a_dag_that_is_scheduled_on_the_table_is_told_what_was_loaded(ended: Ended) -> None:
    ((told,),) = ended.metadata.query(
        "SELECT value FROM xcom WHERE dag_id = 'reader' AND key = 'return_value'"
    )
    (check,) = {task_id for _, task_id in ended.rows("list_that_is_read")}

    (event,) = json.loads(told) if isinstance(told, str) else told
    assert (event["loaded"], event["checknumber_task_id"]) == (LENGTH, check)


def test_no_log_and_no_record_of_airflows_tells_a_number_a_key_or_a_link(ended: Ended) -> None:
    secrets = Secrets(NUMBERS, keys=[service.api_key for service in ended.services])

    assert secrets.files_below(ended.home) == []
    assert secrets.tables_of(ended.metadata) == []
    assert sorted(secrets.tables_of(ended.warehouse)) == sorted(TABLES)
