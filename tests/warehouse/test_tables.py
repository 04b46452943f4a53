"""Which table a load goes to and how it fits: the same on every database."""

from __future__ import annotations

import pytest

from airflow_provider_checknumber.results import ResultColumn
from airflow_provider_checknumber.warehouse import TableError, WarehouseError
from airflow_provider_checknumber.warehouse.names import TableName
from tests.warehouse.databases import Warehouse
from tests.warehouse.loads import TWITTER, answers, load_rows, number

NAMES = (*TWITTER, ResultColumn("name", "text"))
#: What an account name can hold.
HOSTILE_VALUES = [
    "plain",
    "tab\there",
    "line\nbreak and \r\n",
    'quotes " and \' and ""',
    "back\\slash, \\N, \\n, \\.",
    "\\N",
    "\\.",
    "comma,semicolon;",
    "100 % %s %(name)s ? :1 $1",
    "Zoë 中文 🙂 \u200b",
    "'); DROP TABLE checks; --",
    " spaces ",
    None,
]
TASK_COLUMNS = "task_type VARCHAR(50), checknumber_task_id VARCHAR(50), checked_at TIMESTAMP"


def test_text_arrives_as_it_was_whatever_it_holds(warehouse: Warehouse) -> None:
    rows = [(number(place), True, value) for place, value in enumerate(HOSTILE_VALUES)]

    load_rows(warehouse, rows, columns=NAMES)
    load_rows(warehouse, rows, columns=NAMES, table="merged", write_disposition="merge")

    for table in ("checks", "merged"):
        stored = warehouse.run(f'SELECT "number", "name" FROM "{table}" ORDER BY "number"')
        assert stored == [(row[0], row[2]) for row in rows]


@pytest.mark.parametrize(
    "name",
    [
        "select",
        "Mixed Case",
        'quo"te',
        "back`tick",
        "x; DROP TABLE victim; --",
        "x' OR '1'='1",
        "größe",
        "brackets[]",
        "question ? mark",
    ],
)
def test_a_hostile_name_is_only_a_name(warehouse: Warehouse, name: str) -> None:
    warehouse.run("CREATE TABLE victim (x INTEGER)")
    quoted = '"' + name.replace('"', '""') + '"'

    for _ in range(2):
        load_rows(warehouse, answers(3), table=quoted, names={"twitter": f"{name}!"})

    assert warehouse.count("victim") == 0
    shown = name.replace(warehouse.quote, warehouse.quote * 2)
    query = f"SELECT COUNT({warehouse.quote}{shown}!{warehouse.quote}) FROM {warehouse.quote}{shown}{warehouse.quote}"
    assert warehouse.run(query, as_it_is=True) == [(2,)]


@pytest.mark.parametrize("name", ["", " ", "a.b.c.d", "a..b", 'a"b', "a\nb", "nul\0", '"open'])
def test_what_is_no_name_of_a_table_is_refused(name: str) -> None:
    with pytest.raises(TableError):
        TableName.parse(name)


def test_a_table_that_is_there_may_have_other_types_columns_and_order(warehouse: Warehouse) -> None:
    warehouse.run(
        "CREATE TABLE checks (note VARCHAR(20) DEFAULT 'new', checked_at VARCHAR(40), has_twitter VARCHAR(10), "
        "checknumber_task_id VARCHAR(50), number VARCHAR(40), task_type VARCHAR(50))"
    )

    load_rows(warehouse, answers(3), create_table=False, names={"twitter": "has_twitter"})

    assert warehouse.run("SELECT number, has_twitter, note FROM checks ORDER BY number") == [
        (number(0), "true", "new"),
        (number(1), "false", "new"),
        (number(2), None, "new"),
    ]
    assert "2025-11-21" in str(warehouse.run("SELECT checked_at FROM checks")[0][0])


def test_numbers_may_be_kept_as_integers(warehouse: Warehouse) -> None:
    warehouse.run(f"CREATE TABLE checks (number BIGINT, twitter INTEGER, {TASK_COLUMNS})")

    for disposition in ("append", "merge"):
        load_rows(warehouse, answers(3), create_table=False, write_disposition=disposition)

    assert warehouse.run("SELECT number, twitter FROM checks ORDER BY number") == [
        (int(number(0)), 1),
        (int(number(1)), 0),
        (int(number(2)), None),
    ]


def test_a_merge_keeps_what_other_columns_hold(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(3), write_disposition="merge")
    warehouse.run("ALTER TABLE checks ADD note VARCHAR(20)")
    warehouse.run("UPDATE checks SET note = 'kept'")
    if warehouse.generic:
        pytest.skip("The generic loader exchanges rows.")

    load_rows(warehouse, answers(4), write_disposition="merge")

    notes = warehouse.run("SELECT note FROM checks ORDER BY number")
    assert notes == [("kept",), ("kept",), ("kept",), (None,)]


def test_a_merge_needs_no_key(warehouse: Warehouse) -> None:
    warehouse.run(f"CREATE TABLE checks (number VARCHAR(40), twitter INTEGER, {TASK_COLUMNS})")
    load_rows(warehouse, answers(10), task="first", create_table=False, write_disposition="merge")
    report = load_rows(
        warehouse, answers(10, start=5), task="second", create_table=False, write_disposition="merge"
    )

    assert warehouse.count() == 15
    assert report.loaded == 10


def test_columns_are_renamed_and_picked(warehouse: Warehouse) -> None:
    rows = [(number(0), True, "Ann")]
    load_rows(
        warehouse,
        rows,
        columns=NAMES,
        names={"number": "phone", "name": "account", "checked_at": "seen_at"},
    )

    columns = warehouse.columns("checks")
    assert columns == ["phone", "account", "task_type", "checknumber_task_id", "seen_at"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"twiter": "x"}, "names 'twiter', which the result does not have"),
        ({"twitter": "number"}, "Two columns of the load would be called 'number'"),
        ({"twitter": ""}, "cannot be the name of a table or a column"),
    ],
)
def test_columns_that_cannot_be_are_refused_by_name(
    warehouse: Warehouse, names: dict[str, str], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        load_rows(warehouse, answers(1), names=names)


def test_a_column_that_the_table_lacks_fails_ignored_or_added(warehouse: Warehouse) -> None:
    load_rows(warehouse, answers(3))
    rows = [(number(5), True, "Ann")]

    with pytest.raises(TableError, match="Table checks has no column 'name'"):
        load_rows(warehouse, rows, columns=NAMES, task="named")
    load_rows(warehouse, rows, columns=NAMES, task="named", on_new_column="ignore")
    assert len(warehouse.columns("checks")) == 5
    load_rows(warehouse, rows, columns=NAMES, task="named", on_new_column="add")

    assert warehouse.run('SELECT "name" FROM checks ORDER BY number') == [(None,), (None,), (None,), ("Ann",)]


def test_a_column_that_tells_whose_rows_they_are_cannot_be_ignored(warehouse: Warehouse) -> None:
    warehouse.run("CREATE TABLE checks (number VARCHAR(40), twitter INTEGER)")

    with pytest.raises(TableError, match="no column 'checknumber_task_id'"):
        load_rows(warehouse, answers(1), create_table=False, on_new_column="ignore")


def test_a_missing_table_is_named_and_not_made(warehouse: Warehouse) -> None:
    with pytest.raises(TableError, match="no table checks"):
        load_rows(warehouse, answers(1), create_table=False)


def test_a_table_in_another_schema_is_found(warehouse: Warehouse) -> None:
    if warehouse.name == "sqlite":
        schema = "main"
    elif "mariadb" in warehouse.name:
        schema = warehouse.run("SELECT DATABASE()")[0][0]
    else:
        schema = "reporting"
        warehouse.run("CREATE SCHEMA reporting")

    for disposition in ("append", "replace"):
        load_rows(warehouse, answers(3), table=f"{schema}.checks", write_disposition=disposition)
    load_rows(warehouse, answers(3), table=f"{schema}.merged", write_disposition="merge")

    assert warehouse.run(f"SELECT COUNT(*) FROM {schema}.checks") == [(3,)]
    assert warehouse.run(f"SELECT COUNT(*) FROM {schema}.merged") == [(3,)]


def test_a_value_that_does_not_fit_leaves_the_table_as_it_was(warehouse: Warehouse) -> None:
    if warehouse.name == "sqlite":
        pytest.skip("SQLite takes any value in any column.")
    warehouse.run(f"CREATE TABLE checks (number BIGINT, twitter INTEGER, {TASK_COLUMNS})")
    load_rows(warehouse, answers(3), create_table=False)

    with pytest.raises(WarehouseError) as caught:
        load_rows(warehouse, [*answers(500), ("secret@example.com", True)], create_table=False)

    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert warehouse.count() == 3
