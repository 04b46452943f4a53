"""Where every row of a result went."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_checknumber.results import MalformedRowError
from airflow_provider_checknumber.warehouse import (
    ShortfallError,
    WarehouseRefusedError,
    WriteDisposition,
    distinct,
    load,
)
from airflow_provider_checknumber.warehouse.distinct import Distinct
from tests.support.postgres import Postgres
from tests.warehouse.databases import Warehouse, duckdb, postgres
from tests.warehouse.loads import TWITTER, answers, batches, check, load_rows, number


def with_duplicates(count: int) -> list[tuple[str, bool | None]]:
    """Rows of which a third has a number that came before, sometimes in the same batch."""
    chance = random.Random(5)
    rows = answers(count)
    rows += [(number(chance.randrange(count)), chance.random() < 0.5) for _ in range(count // 2)]
    chance.shuffle(rows)
    return rows


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_of_rows_with_one_number_the_last_wins_and_the_others_are_counted(
    warehouse: Warehouse, disposition: WriteDisposition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distinct, "_MOST_HELD", 150)  # So that held rows go in several times.
    rows = with_duplicates(1000)
    load_rows(warehouse, answers(1000, start=5000), task="another")

    report = load_rows(warehouse, rows, write_disposition=disposition)

    where = "" if disposition == "replace" else " WHERE checknumber_task_id = 'd4g8o46p2jvh04o9uolg'"
    assert dict(warehouse.run(f"SELECT number, twitter FROM checks{where}")) == dict(rows)
    assert warehouse.run(f"SELECT COUNT(*) FROM checks{where}") == [(1000,)]
    assert (report.rows_read, report.loaded, report.duplicates) == (1500, 1000, 500)


def test_a_second_load_with_duplicates_counts_the_same(warehouse: Warehouse) -> None:
    rows = with_duplicates(300)
    reports = [load_rows(warehouse, rows, write_disposition="merge") for _ in range(2)]

    assert [report.duplicates for report in reports] == [150, 150]
    assert [report.loaded for report in reports] == [300, 300]


def test_the_filter_never_lets_a_number_pass_twice() -> None:
    numbers = [number(place) for place in range(60_000)] + [number(place) for place in range(0, 60_000, 7)]
    random.Random(1).shuffle(numbers)
    filtered = Distinct(batches([(value,) for value in numbers], 999), 0)
    passed: list[str] = []
    while not filtered.exhausted:
        for batch in filtered:
            passed += batch[0]
        filtered.release()

    assert len(passed) == len(set(passed))
    assert filtered.rows_read == len(numbers)
    assert len(passed) > 59_900  # It holds back next to nothing that is new.


def test_a_result_without_rows_is_loaded_as_that(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(3))
    report = load_rows(warehouse, [])

    assert (report.rows_read, report.loaded) == (0, 0)
    assert warehouse.count() == 0


def test_fewer_rows_than_the_service_identified_fail_before_anything_is_stored(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(3))

    with pytest.raises(ShortfallError, match="gave 2 rows, but the service says that it identified 5"):
        load_rows(warehouse, answers(2), expected_rows=5, write_disposition="replace")
    assert warehouse.count() == 3

    load_rows(warehouse, answers(2), expected_rows=5, allow_shortfall=True, write_disposition="replace")
    assert warehouse.count() == 2


def test_a_first_load_that_fails_leaves_no_table_behind(warehouse: Warehouse) -> None:
    with pytest.raises(ShortfallError):
        load_rows(warehouse, answers(2), expected_rows=5)

    if warehouse.name == "generic-mariadb":  # It takes back no table, and plain SQL cannot tell whose it is.
        assert warehouse.count() == 0
        return
    with pytest.raises(Exception, match=r"(?i)checks|CatalogException"):
        warehouse.count()


def test_an_error_while_rows_are_read_reaches_the_caller_and_nothing_is_stored(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(3))

    def broken() -> Iterator[list[list[object]]]:
        yield from batches(answers(900, start=100))
        raise MalformedRowError("Line 902 does not fit.", line=902)

    with pytest.raises(MalformedRowError, match="Line 902") as caught:
        load(
            warehouse.hook,
            table="checks",
            result_columns=TWITTER,
            batches=broken(),
            check=check("other"),
        )
    assert caught.value.line == 902
    assert warehouse.count() == 3


def test_rows_that_a_trigger_of_the_table_keeps_away_fail_the_load(postgres_server: Postgres) -> None:
    with postgres(postgres_server) as warehouse:
        load_rows(warehouse, answers(3), task="before")
        warehouse.run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.twitter THEN RETURN NEW; END IF; RETURN NULL; END $$"
        )
        warehouse.run("CREATE TRIGGER refuse BEFORE INSERT ON checks FOR EACH ROW EXECUTE FUNCTION refuse()")

        with pytest.raises(WarehouseRefusedError, match="was given 30 rows for checks and has 10"):
            load_rows(warehouse, answers(30), task="after")

        assert warehouse.count() == 3


def test_rows_that_the_table_passes_on_to_another_are_counted_there(postgres_server: Postgres) -> None:
    with postgres(postgres_server) as warehouse:
        load_rows(warehouse, answers(3), task="before")
        warehouse.run("CREATE TABLE november () INHERITS (checks)")
        warehouse.run(
            "CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO november SELECT NEW.*; RETURN NULL; END $$"
        )
        warehouse.run(
            "CREATE TRIGGER pass_on BEFORE INSERT ON checks FOR EACH ROW EXECUTE FUNCTION pass_on()"
        )

        load_rows(warehouse, answers(30), task="after")

        assert warehouse.count() == 33


def test_a_load_leaves_duckdb_the_memory_that_its_user_gave_it(tmp_path: Path) -> None:
    with duckdb(tmp_path) as warehouse, closing(warehouse.hook.get_conn()) as other:
        other.execute("SET memory_limit = '1.5GiB'")
        during: list[str] = []

        def looking() -> Iterator[list[list[object]]]:
            during.extend(other.execute("SELECT current_setting('memory_limit')").fetchone())
            yield from batches(answers(3))

        load(
            warehouse.hook,
            table="checks",
            result_columns=TWITTER,
            batches=looking(),
            check=check(),
            create_table=True,
        )

        assert during != ["1.5 GiB"]
        assert other.execute("SELECT current_setting('memory_limit')").fetchone() == ("1.5 GiB",)
