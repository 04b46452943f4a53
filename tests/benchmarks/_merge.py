"""``merge`` into a large table in PostgreSQL beside the same written by hand; see ``warehouse``."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.benchmarks._measure import in_process_of_its_own, measured

COLUMNS = "number, twitter, task_type, checknumber_task_id, checked_at"


def merge_run(way: str, archive: str, prepared: str) -> dict[str, Any]:
    """Merge once; runs in a process of its own."""
    from tests.benchmarks.warehouse import count, hook_of, load_archive

    hook = hook_of("postgres")
    with measured() as measurement:
        if way == "provider":
            load_archive(hook, archive, "checks", disposition="merge")
        else:
            by_hand(hook, prepared)
    return {"rows": count(hook, "checks"), "measurement": measurement}


def by_hand(hook: Any, prepared: str) -> None:
    with (
        closing(hook.get_conn()) as connection,
        connection.cursor() as cursor,
        open(prepared, "rb") as source,
    ):
        cursor.execute("CREATE TEMP TABLE staged (LIKE checks) ON COMMIT DROP")
        with cursor.copy(f"COPY staged ({COLUMNS}) FROM STDIN WITH (FORMAT csv)") as copy:
            while chunk := source.read(1 << 18):
                copy.write(chunk)
        cursor.execute(
            f"INSERT INTO checks ({COLUMNS}) SELECT {COLUMNS} FROM staged ON CONFLICT (number, task_type) "
            "DO UPDATE SET twitter = EXCLUDED.twitter, checknumber_task_id = EXCLUDED.checknumber_task_id, "
            "checked_at = EXCLUDED.checked_at WHERE checks.checked_at <= EXCLUDED.checked_at"
        )
        connection.commit()


def compare(*, rows: int, into: int, archive: Path, prepared: str, few: Path) -> list[dict[str, Any]]:
    """Merge ``rows`` rows, half of them known, into a copy each of a table of ``into`` rows."""
    import psycopg

    from tests.benchmarks.warehouse import hook_of, load_archive
    from tests.support.postgres import Postgres, postgres_server

    results = []
    with postgres_server() as server:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE base")
        base = Postgres(server.socket, "base")
        os.environ["AIRFLOW_CONN_WAREHOUSE"] = base.airflow_connection
        load_archive(hook_of("postgres"), str(few), "checks", disposition="merge")
        with psycopg.connect(base.dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE checks")
            connection.execute(
                f"INSERT INTO checks ({COLUMNS}) SELECT '+' || (905000000000 + n), mod(n, 2) = 0, 'Twitter', 'older', "
                "'2025-01-01' FROM generate_series(%s::bigint, %s::bigint) n",
                [rows // 2, rows // 2 + into - 1],
            )
            connection.execute("VACUUM ANALYZE checks")
        for way in ("by hand", "provider"):
            name = "run_" + way.replace(" ", "_")
            with psycopg.connect(server.dsn, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE base")
            os.environ["AIRFLOW_CONN_WAREHOUSE"] = Postgres(server.socket, name).airflow_connection
            done = in_process_of_its_own(
                "tests.benchmarks._merge",
                "merge_run",
                {"way": way, "archive": str(archive), "prepared": prepared},
            )
            if done["rows"] != into + rows // 2:
                raise SystemExit(f"merge, {way}: {done['rows']} rows instead of {into + rows // 2}")
            results.append(
                {"merge": way, "into": into, "rows": rows, "seconds": done["measurement"]["seconds"]}
            )
    for result in results:
        result["of_by_hand"] = result["seconds"] / results[0]["seconds"]
    return results
