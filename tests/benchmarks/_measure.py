"""
Time and peak memory of one piece of work, for the benchmarks.

``measured`` looks at this process: what the work adds at its worst to what the process had when it began,
library code that was loaded before not counted. ``in_process_of_its_own`` runs the work in a fresh
interpreter, so that nothing measured earlier has left the memory that is then used again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass
class Measurement:
    """Seconds on the clock, seconds of CPU in all threads, and bytes of resident memory added at the peak."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_growth: int = 0

    @property
    def memory_growth_mb(self) -> float:
        return self.memory_growth / (1 << 20)


@contextmanager
def measured() -> Iterator[Measurement]:
    """Measure the work in the ``with`` block; the numbers are there when it ends."""
    measurement = Measurement()
    before = _reset_peak()
    started, cpu_started = time.perf_counter(), time.process_time()
    try:
        yield measurement
    finally:
        measurement.seconds = time.perf_counter() - started
        measurement.cpu_seconds = time.process_time() - cpu_started
        measurement.memory_growth = max(_peak() - before, 0)


def _reset_peak() -> int:
    """Let the peak begin anew where the system can; return the bytes that are resident now."""
    try:
        _CLEAR_REFS.write_text("5")
        return _status("VmRSS")
    except OSError:
        return _peak()


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field}")


def in_process_of_its_own(module: str, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Call ``module.function(**arguments)`` in a fresh interpreter and return what it returns.

    :param arguments: and the result: what JSON can carry. A :class:`Measurement` becomes a dict.
    """
    program = (
        "import importlib, json, sys\n"
        "from tests.benchmarks._measure import as_json\n"
        f"function = getattr(importlib.import_module({module!r}), {function!r})\n"
        "result = function(**json.load(sys.stdin))\n"
        "print(as_json(result))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        # Large blocks go back to the system when they are freed, so that what warmed up does not hide any.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(128 << 10)},
        input=json.dumps(dict(arguments)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def as_json(result: Mapping[str, Any]) -> str:
    """Return a result as one line of JSON."""
    return json.dumps(result, default=asdict)


def table(headings: Mapping[str, str], rows: list[dict[str, Any]]) -> str:
    """
    Return rows as an aligned table.

    :param headings: column heading to format, e.g. ``{"seconds": ".2f"}``; the keys of ``rows``.
    """
    lines = [list(headings)]
    lines += [[format(row[name], spec) for name, spec in headings.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def main_over_rows(
    run: Callable[[str, int, Path], dict[str, Any]],
    cases: Iterable[str],
    *,
    description: str,
    targets: Mapping[str, int],
    headings: Mapping[str, str],
) -> int:
    """
    Measure cases of so many rows as the command line asks for, print them, and return the exit code.

    :param run: measures the case of a name, with so many rows, in a folder for its files.
    :param targets: what a case with ``"target"`` is measured against.
    :param headings: as for :func:`table`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of a case (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as directory:
        rows = [run(name, arguments.rows, Path(directory)) for name in cases]
    if arguments.json:
        print(as_json({**targets, "rows": rows}))
    else:
        print("Targets:", ", ".join(f"{name} {value:,}" for name, value in targets.items()))
        print(table(headings, rows))
    return 1 if any(row["target"] == "missed" for row in rows) else 0
