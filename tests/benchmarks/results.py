"""
How fast is a result archive read, alone and into a Parquet file, and in how much memory?

    uv run python -m tests.benchmarks.results --rows 10000000 [--json]

Target on two cores: a million rows a second from the archive to the Parquet file, in memory that does not
grow with it: no more than 256 MB in all, and at the full number of rows at most a fifth and 32 MB above
what it is at a tenth of them. Exits 1 where a row with a target misses it. Each row runs in a process of
its own; making the archive is not counted, unpacking it, its check sum and writing the file are.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from airflow_provider_checknumber.result_files import write_file
from airflow_provider_checknumber.results import iter_frames, open_results
from airflow_provider_checknumber.warehouse.columns import Check, Layout
from tests.benchmarks._measure import in_process_of_its_own, main_over_rows, measured
from tests.results.archives import spreadsheet

ROWS_PER_SECOND = 1_000_000
MEMORY_MB = 256
_AT_ONCE = 100_000

TWO = ("Number,twitter\n", "+%d,{answer}\n")
FIVE = ("number,activated,activetime,activedays,business\n", "%d,{answer},2025-11-21,17,no\r\n")
NAMES = ("number,activated,name\n", '+%d,{answer},"O\'Hara, ""Kim"""\n')

#: What is in the archive, what is done with it, and a share of the rows where one takes longer.
CASES: dict[str, dict[str, Any]] = {
    "two columns, to Parquet": {"form": TWO, "what": "parquet", "target": True},
    "five columns without plus, to Parquet": {"form": FIVE, "what": "parquet"},
    "two columns, read": {"form": TWO, "what": "read"},
    "quoted names, read": {"form": NAMES, "what": "read", "share": 0.1},
    "two columns, as frames": {"form": TWO, "what": "frames", "share": 0.1},
    "spreadsheet, read": {"what": "read", "share": 0.002},
}


def make_archive(path: Path, rows: int, form: tuple[str, str] | None) -> None:
    """Write an archive as the service does: a table in a folder, of numbers in no order, two in five yes."""
    chance = np.random.default_rng(1)
    chosen = chance.permutation(rows) + 905_000_000_000
    answers = chance.random(rows) < 0.4
    if form is None:
        cells = zip(chosen.tolist(), answers.tolist(), strict=True)
        path.write_bytes(
            spreadsheet(["Number", "twitter"], *([f"+{n}", "yes" if a else "no"] for n, a in cells))
        )
        return
    header, line = form
    yes, no = line.format(answer="yes"), line.format(answer="no")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("d4g8/all.csv", "w", force_zip64=True) as member:
            member.write(header.encode())
            for start in range(0, rows, _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                pairs = zip(chosen[part].tolist(), answers[part].tolist(), strict=True)
                member.write("".join((yes if answer else no) % number for number, answer in pairs).encode())
        archive.writestr("d4g8/activated.txt", "+905000000000\n")


def measure_archive(path: str, target: str, what: str) -> dict[str, Any]:
    """Read an archive; runs in a process of its own."""
    import pandas as pd
    import pyarrow.parquet as pq

    # Loaded at the first use, which is none of what is measured.
    pd.array(["x"], dtype="string")
    Path(target).unlink(missing_ok=True)
    with measured() as measurement, open_results(path, task_type="Twitter") as results:
        if what == "parquet":
            check = Check(task_type="Twitter", checknumber_task_id="d4g8", checked_at=datetime.now(UTC))
            layout = Layout.plan(results.columns, check)
            batches: Iterator[list[list[Any]]] = (batch.columns for batch in results.batches())
            write_file(Path(target), "parquet", layout=layout, batches=batches)
        elif what == "frames":
            rows = sum(map(len, iter_frames(results)))
        else:
            rows = sum(map(len, results.batches()))
    if what == "parquet":
        rows = pq.ParquetFile(target).metadata.num_rows
    return {"rows": rows, "measurement": measurement}


def run(name: str, rows: int, directory: Path) -> dict[str, Any]:
    case = CASES[name]
    rows = max(int(rows * case.get("share", 1)), 1)
    arguments = {
        "path": str(directory / "result.zip"),
        "target": str(directory / "file"),
        "what": case["what"],
    }

    def measure(count: int) -> dict[str, Any]:
        make_archive(directory / "result.zip", count, case.get("form"))
        result = in_process_of_its_own("tests.benchmarks.results", "measure_archive", arguments)
        assert result["rows"] == count
        return dict(result["measurement"])

    tenth = measure(max(rows // 10, 1))["memory_growth"] / (1 << 20)
    measurement = measure(rows)
    growth = measurement["memory_growth"] / (1 << 20)
    constant = growth <= max(tenth * 1.2, tenth + 32) and growth <= MEMORY_MB
    met = constant and rows / measurement["seconds"] >= ROWS_PER_SECOND
    return {
        "archive": name,
        "rows": rows,
        "seconds": measurement["seconds"],
        "cpu_seconds": measurement["cpu_seconds"],
        "rows_per_second": rows / measurement["seconds"],
        "memory_growth_mb": growth,
        "memory_growth_mb_at_a_tenth": tenth,
        "target": ("met" if met else "missed") if case.get("target") else "none",
    }


def main() -> int:
    return main_over_rows(
        run,
        CASES,
        description="Measure the reading of result archives.",
        targets={"rows_per_second": ROWS_PER_SECOND, "memory_mb": MEMORY_MB},
        headings={
            "archive": "",
            "rows": ",",
            "seconds": ".2f",
            "cpu_seconds": ".2f",
            "rows_per_second": ",.0f",
            "memory_growth_mb": ".0f",
            "memory_growth_mb_at_a_tenth": ".0f",
            "target": "",
        },
    )


if __name__ == "__main__":
    sys.exit(main())
