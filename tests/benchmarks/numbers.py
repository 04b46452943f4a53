"""
How fast is a number list checked, freed of repeats and written ready to upload, and in how much memory?

    uv run python -m tests.benchmarks.numbers --rows 10000000 [--json]

Targets on two cores, for ten million E.164 lines: 1.5 million lines a second, and 256 MB of memory more than
the process has with its libraries loaded. Exits 1 where a row with a target misses it. Each row runs in a
process of its own; making the list is not counted, reading it from the page cache and writing it to the
folder for temporary files is.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from airflow_provider_checknumber.numbers import prepare_numbers
from tests.benchmarks._measure import in_process_of_its_own, main_over_rows, measured

LINES_PER_SECOND = 1_500_000
MEMORY_MB = 256
_AT_ONCE = 100_000

#: What is read, and of how many lines: all that were asked for, or a share where a line takes longer.
CASES: dict[str, dict[str, Any]] = {
    "distinct numbers": {"target": True},
    "a third repeated": {"repeated": 1 / 3, "target": True},
    "every one twice": {"repeated": 1 / 2},
    "ten batches": {"batches": 10, "target": True},
    "windows line ends": {"line_end": "\r\n", "target": True},
    "spaces and empty lines": {"line_end": "  \r\n\r\n", "share": 0.1},
    "rows of a query": {"as_rows": True, "share": 0.1},
    "a column of a CSV file": {"column": "phone", "share": 0.1},
    "national writing": {"national": True, "share": 0.01},
}


def make_list(
    path: Path, lines: int, *, repeated: float, line_end: str, column: str | None, national: bool
) -> None:
    """Write a list of Turkish mobile numbers in no order, as many of them repeated as asked."""
    distinct = max(round(lines * (1 - repeated)), 1)
    chosen = np.random.default_rng(1).permutation(distinct) + 905_000_000_000
    chosen = np.concatenate([chosen, chosen[: lines - distinct]])
    np.random.default_rng(2).shuffle(chosen)
    form = "0%d" if national else "id,+%d,name" if column else "+%d"
    with path.open("w", newline="") as file:
        if column:
            file.write(f"id,{column},name{line_end}")
        for start in range(0, lines, _AT_ONCE):
            numbers = chosen[start : start + _AT_ONCE] - (900_000_000_000 if national else 0)
            file.write("".join(f"{form}{line_end}" % number for number in numbers.tolist()))


def measure_list(
    path: str, lines: int, batches: int | None, column: str | None, national: bool, as_rows: bool
) -> dict[str, Any]:
    """Prepare a list; runs in a process of its own."""
    # Loaded at the first use, which is none of what is measured.
    with prepare_numbers(io.BytesIO(b"0532 123 45 67"), default_region="TR"):
        pass
    rows = ((line.rstrip("\n"),) for line in open(path)) if as_rows else None  # noqa: SIM115
    with (
        measured() as measurement,
        prepare_numbers(
            path if rows is None else rows,
            column=column,
            default_region="TR" if national else None,
            batch_size=None if batches is None else -(-lines // batches),
        ) as prepared,
    ):
        sent = prepared.count
    return {"sent": sent, "measurement": measurement}


def run(name: str, rows: int, directory: Path) -> dict[str, Any]:
    case = CASES[name]
    lines = max(int(rows * case.get("share", 1)), 1)
    path = directory / "numbers.txt"
    column, national = case.get("column"), case.get("national", False)
    make_list(
        path,
        lines,
        repeated=case.get("repeated", 0.0),
        line_end=case.get("line_end", "\n"),
        column=column,
        national=national,
    )
    arguments = {
        "path": str(path),
        "lines": lines,
        "batches": case.get("batches"),
        "column": column,
        "national": national,
        "as_rows": case.get("as_rows", False),
    }
    result = in_process_of_its_own("tests.benchmarks.numbers", "measure_list", arguments)
    seconds, growth = result["measurement"]["seconds"], result["measurement"]["memory_growth"]
    met = lines / seconds >= LINES_PER_SECOND and growth <= MEMORY_MB << 20
    return {
        "list": name,
        "lines": lines,
        "sent": result["sent"],
        "seconds": seconds,
        "cpu_seconds": result["measurement"]["cpu_seconds"],
        "lines_per_second": lines / seconds,
        "memory_growth_mb": growth / (1 << 20),
        "target": ("met" if met else "missed") if case.get("target") else "none",
    }


def main() -> int:
    return main_over_rows(
        run,
        CASES,
        description="Measure the preparing of number lists.",
        targets={"lines_per_second": LINES_PER_SECOND, "memory_mb": MEMORY_MB},
        headings={
            "list": "",
            "lines": ",",
            "sent": ",",
            "seconds": ".2f",
            "cpu_seconds": ".2f",
            "lines_per_second": ",.0f",
            "memory_growth_mb": ".0f",
            "target": "",
        },
    )


if __name__ == "__main__":
    sys.exit(main())
