"""
How fast does a result archive get into a table, beside what the database can do at best and what a user
would write, and in how much memory?

    uv run python -m tests.benchmarks.warehouse --rows 1000000 [--json]
    uv run python -m tests.benchmarks.warehouse --rows 1000000 --merge-into 10000000

For each database the same rows are loaded, with the same columns into the same table, by

``provider``     this package, from the zip on disk to committed rows;
``limit``        the database's own way of taking in a file that holds the table's columns already, prepared
                 beforehand and not counted: ``COPY``, ``executemany``, ``read_csv``, ``LOAD DATA``;
``to_sql``       ``pandas.read_csv`` of the zip and ``to_sql`` (DuckDB: an insert from the frame, as people do);
``insert_rows``  ``csv.reader`` and the hook's own ``insert_rows``.

Each run is in a process of its own, which has loaded a few rows before, so that libraries are not counted;
the best of ``--repeat`` runs counts. A user's ways run once, on at most ``--slow-rows`` rows, scaled up from there
(marked with ~). Memory is what the loading process adds at its peak; a server's is not in it.

``--merge-into N`` measures ``merge`` into a table of N rows in PostgreSQL, half of the numbers known to it,
beside ``COPY`` into a temporary table and ``INSERT … ON CONFLICT`` written by hand.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks._measure import as_json, in_process_of_its_own, measured, table
from tests.benchmarks._merge import compare
from tests.benchmarks.results import TWO, make_archive

CHECKED_AT = datetime(2025, 11, 21, 8, 27, 9, 933_000, tzinfo=UTC)
TASK = "d4g8o46p2jvh04o9uolg"
CONSTANTS = ("Twitter", TASK, "2025-11-21 08:27:09.933000")
COLUMNS = ("number", "twitter", "task_type", "checknumber_task_id", "checked_at")
MEMORY_MB = 64
#: Most that a load by the provider may take, as a multiple of the limit in the same run.
TARGETS = {"postgres": 1.5, "sqlite": 1.4, "duckdb": 2.0, "mariadb": 1.5}
TO_SQL_TARGET = {"postgres": 20.0}
MERGE_TARGET = 3.0
_ANSWERS = {"yes": True, "no": False}


# What runs in a process of its own.


def hook_of(database: str) -> Any:
    """The hook that a user would get; the connection is in the environment."""
    if database == "postgres":
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        return PostgresHook("warehouse")
    if database == "sqlite":
        from airflow.providers.sqlite.hooks.sqlite import SqliteHook

        return SqliteHook("warehouse")
    if database == "duckdb":
        from airflow.providers.duckdb.hooks.duckdb import DuckDBHook

        return DuckDBHook(duckdb_conn_id="warehouse")
    from airflow.providers.mysql.hooks.mysql import MySqlHook

    return MySqlHook(mysql_conn_id="warehouse", local_infile=True)


def load_archive(
    hook: Any, archive: str, into: str, *, disposition: str = "append", task: str = TASK
) -> None:
    from airflow_provider_checknumber.results import open_results
    from airflow_provider_checknumber.transfers.checknumber_to_sql import _BATCH_ROWS
    from airflow_provider_checknumber.warehouse import Check, load

    with open_results(archive, task_type="Twitter") as results:
        load(
            hook,
            table=into,
            result_columns=results.columns,
            batches=(batch.columns for batch in results.batches(_BATCH_ROWS)),
            check=Check(task_type="Twitter", checknumber_task_id=task, checked_at=CHECKED_AT),
            write_disposition=disposition,  # type: ignore[arg-type]
            create_table=True,
        )


def count(hook: Any, of: str) -> int:
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {of}")
        return int(cursor.fetchall()[0][0])


def run_statement(hook: Any, *statements: str) -> None:
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def one_run(database: str, way: str, archive: str, prepared: str, few: str) -> dict[str, Any]:
    """Load once into a new table; return how many rows it has then, and what it took."""
    logging.disable(logging.ERROR)
    hook = hook_of(database)
    run_statement(hook, "DROP TABLE IF EXISTS checks", "DROP TABLE IF EXISTS warm")
    load_archive(hook, few, "warm")
    # The same table for all ways, made as the provider makes it.
    load_archive(hook, few, "checks")
    if way == "to_sql":
        to_sql(hook, database, few)
    run_statement(hook, "DELETE FROM checks")
    work: dict[str, Callable[[], None]] = {
        "provider": lambda: load_archive(hook, archive, "checks"),
        "limit": lambda: LIMITS[database](hook, prepared),
        "to_sql": lambda: to_sql(hook, database, archive),
        "insert_rows": lambda: insert_rows(hook, archive),
    }
    with measured() as measurement:
        work[way]()
    return {"rows": count(hook, "checks"), "measurement": measurement}


def limit_postgres(hook: Any, prepared: str) -> None:
    with (
        closing(hook.get_conn()) as connection,
        connection.cursor() as cursor,
        open(prepared, "rb") as source,
    ):
        with cursor.copy(f"COPY checks ({', '.join(COLUMNS)}) FROM STDIN WITH (FORMAT csv)") as copy:
            while chunk := source.read(1 << 18):
                copy.write(chunk)
        connection.commit()


def limit_sqlite(hook: Any, prepared: str) -> None:
    insert = f"INSERT INTO checks ({', '.join(COLUMNS)}) VALUES (?, NULLIF(?, ''), ?, ?, ?)"
    with closing(hook.get_conn()) as connection, open(prepared, newline="") as source:
        connection.executemany(insert, csv.reader(source))
        connection.commit()


def limit_duckdb(hook: Any, prepared: str) -> None:
    with closing(hook.get_conn()) as connection:
        types = (
            "{'number': 'VARCHAR', 'twitter': 'BOOLEAN', 'a': 'VARCHAR', 'b': 'VARCHAR', 'c': 'TIMESTAMP'}"
        )
        connection.execute(
            f"INSERT INTO checks SELECT * FROM read_csv('{prepared}', header = false, columns = {types})"
        )


def limit_mariadb(hook: Any, prepared: str) -> None:
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{prepared}' INTO TABLE checks FIELDS TERMINATED BY ',' "
            "(number, @twitter, task_type, checknumber_task_id, checked_at) SET twitter = NULLIF(@twitter, '')"
        )
        connection.commit()


LIMITS = {
    "postgres": limit_postgres,
    "sqlite": limit_sqlite,
    "duckdb": limit_duckdb,
    "mariadb": limit_mariadb,
}


def to_sql(hook: Any, database: str, archive: str) -> None:
    import pandas as pd

    frame = pd.read_csv(unpacked(archive), dtype={"Number": str})
    frame = frame.rename(columns={"Number": "number"})
    frame["twitter"] = frame["twitter"].map(_ANSWERS).astype("boolean")
    frame["task_type"], frame["checknumber_task_id"], frame["checked_at"] = (
        CONSTANTS[0],
        CONSTANTS[1],
        CHECKED_AT,
    )
    if database == "duckdb":
        with closing(hook.get_conn()) as connection:
            connection.execute("INSERT INTO checks SELECT * FROM frame")
        return
    engine = hook.get_sqlalchemy_engine()
    frame.to_sql("checks", engine, if_exists="append", index=False, chunksize=10_000)
    engine.dispose()


def insert_rows(hook: Any, archive: str) -> None:
    lines = csv.reader(io.TextIOWrapper(unpacked(archive), encoding="utf-8"))
    next(lines)
    rows = ((number, _ANSWERS.get(answer), *CONSTANTS) for number, answer in lines)
    hook.insert_rows("checks", rows, target_fields=list(COLUMNS), commit_every=10_000)


def unpacked(archive: str) -> Any:
    opened = zipfile.ZipFile(archive)
    return opened.open("d4g8/all.csv")


# What sets those processes up.


@contextmanager
def server(database: str, folder: Path) -> Iterator[str]:
    """Provide an empty database; give it as an Airflow connection."""
    if database == "postgres":
        from tests.support.postgres import postgres_server

        with postgres_server() as postgres:
            yield postgres.airflow_connection
    elif database == "mariadb":
        from tests.warehouse.databases import mariadb

        with mariadb(local_infile=True):
            yield os.environ["AIRFLOW_CONN_WAREHOUSE"]
    else:
        yield f'{{"conn_type": "{database}", "host": "{folder / database}"}}'


def write_prepared(archive: Path, folder: Path) -> dict[str, str]:
    """Write the table's columns as text, with yes and no as each database reads them; return the files."""
    words = {"true": {"yes": "true", "no": "false"}, "1": {"yes": "1", "no": "0"}}
    files = {name: folder / f"prepared-{name}.csv" for name in words}
    tail = "," + ",".join(CONSTANTS) + "\n"
    for name, file in files.items():
        ends = {answer: f",{word}{tail}" for answer, word in words[name].items()}
        with unpacked(str(archive)) as member, file.open("w") as target:
            lines = io.TextIOWrapper(member, encoding="utf-8")
            next(lines)
            for line in lines:
                number, _, answer = line.rstrip().partition(",")
                target.write(number + ends.get(answer, "," + tail))
    return {
        "postgres": str(files["true"]),
        "duckdb": str(files["true"]),
        "sqlite": str(files["1"]),
        "mariadb": str(files["1"]),
    }


class Benchmark:
    """All runs of one call, on archives made for it."""

    def __init__(self, folder: Path, rows: int, slow_rows: int, repeat: int) -> None:
        self.folder, self.rows, self.repeat = folder, rows, repeat
        self.slow_rows = min(rows, slow_rows)
        self.archives = {count: folder / f"result-{count}.zip" for count in {rows, self.slow_rows, 1_000}}
        for count, archive in self.archives.items():
            make_archive(archive, count, TWO)
        self.prepared = write_prepared(self.archives[rows], folder)

    def run(self, database: str, ways: list[str]) -> list[dict[str, Any]]:
        with server(database, self.folder) as connection:
            os.environ["AIRFLOW_CONN_WAREHOUSE"] = connection
            found: dict[str, dict[str, Any]] = {}
            for turn in range(self.repeat):
                for way in ways:
                    slow = way not in ("provider", "limit")
                    if slow and turn:
                        continue
                    rows = self.slow_rows if slow else self.rows
                    result = self._once(database, way, rows)
                    if way not in found or result["seconds"] < found[way]["seconds"]:
                        found[way] = result
        provider = found.get("provider", {}).get("seconds")
        limit = found.get("limit", {}).get("seconds")
        for result in found.values():
            result["of_limit"] = result["seconds"] / limit if limit else None
            result["of_provider"] = result["seconds"] / provider if provider else None
        return list(found.values())

    def _once(self, database: str, way: str, rows: int) -> dict[str, Any]:
        done = in_process_of_its_own(
            __spec__.name if __spec__ else __name__,
            "one_run",
            {
                "database": database,
                "way": way,
                "archive": str(self.archives[rows]),
                "prepared": self.prepared[database],
                "few": str(self.archives[1_000]),
            },
        )
        if done["rows"] != rows:
            raise SystemExit(f"{database}, {way}: {done['rows']} rows instead of {rows}")
        scale = self.rows / rows
        return {
            "database": database,
            "way": way if scale == 1 else f"{way} ~",
            "rows": rows,
            "seconds": done["measurement"]["seconds"] * scale,
            "cpu_seconds": done["measurement"]["cpu_seconds"] * scale,
            "memory_growth_mb": done["measurement"]["memory_growth"] / (1 << 20),
        }


def verdicts(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold the results against the targets."""
    checked = []
    by = {(result["database"], result["way"].rstrip(" ~")): result for result in results}
    for (database, way), result in by.items():
        if way != "provider":
            continue
        if result["of_limit"]:
            checked.append(
                ("time as a multiple of the limit", database, result["of_limit"], TARGETS[database])
            )
        checked.append(("memory growth in MB", database, result["memory_growth_mb"], MEMORY_MB))
        if database in TO_SQL_TARGET and (database, "to_sql") in by:
            share = 1 / by[database, "to_sql"]["of_provider"]
            checked.append(("time as a share of to_sql", database, share, 1 / TO_SQL_TARGET[database]))
    return [
        {"target": what, "database": database, "found": found, "at_most": at_most, "met": found <= at_most}
        for what, database, found, at_most in checked
    ]


def tell_merge(benchmark: Benchmark, into: int, *, as_object: bool) -> int:
    """Measure merges and print them; return the exit status."""
    results = compare(
        rows=benchmark.rows,
        into=into,
        archive=benchmark.archives[benchmark.rows],
        prepared=benchmark.prepared["postgres"],
        few=benchmark.archives[1_000],
    )
    met = results[-1]["of_by_hand"] <= MERGE_TARGET
    if as_object:
        print(as_json({"results": results, "at_most": MERGE_TARGET, "met": met}))
    else:
        print(table({"merge": "", "into": ",", "rows": ",", "seconds": ".2f", "of_by_hand": ".2f"}, results))
    return 0 if met else 1


def _known(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if value is not None}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure loads into databases.")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the result (default: %(default)s)"
    )
    parser.add_argument("--databases", default=",".join(TARGETS), help="which, default: %(default)s")
    parser.add_argument(
        "--ways", default="provider,limit,to_sql,insert_rows", help="which, default: %(default)s"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of provider and limit (default: %(default)s)"
    )
    parser.add_argument("--slow-rows", type=int, default=100_000, help="most rows of a user's ways")
    parser.add_argument(
        "--merge-into", type=int, metavar="N", help="measure merge into a table of N rows instead"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checknumber-benchmark-")))
        os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
        benchmark = Benchmark(folder, arguments.rows, arguments.slow_rows, arguments.repeat)
        if arguments.merge_into:
            return tell_merge(benchmark, arguments.merge_into, as_object=arguments.json)
        results = [
            result
            for database in arguments.databases.split(",")
            for result in benchmark.run(database, arguments.ways.split(","))
        ]
    targets = verdicts(results)
    if arguments.json:
        print(as_json({"rows": arguments.rows, "results": results, "targets": targets}))
    else:
        number = {"seconds": ".2f", "cpu_seconds": ".2f", "memory_growth_mb": ".0f"}
        ratios = {"of_limit": ".2f", "of_provider": ".2f"}
        shown = [{**dict.fromkeys(ratios, float("nan")), **_known(result)} for result in results]
        print(table({"database": "", "way": "", "rows": ",", **number, **ratios}, shown))
        print()
        print(table({"database": "", "target": "", "found": ".2f", "at_most": ".2f", "met": ""}, targets))
    return 0 if all(target["met"] for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
