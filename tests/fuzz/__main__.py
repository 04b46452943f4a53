"""
Damaged and made-up inputs for the number reader and the archive reader, by hand and in any number.

    uv run python -m tests.fuzz --inputs 200000 [--seed 7] [--keep FOLDER]
    uv run python -m tests.fuzz --again FOLDER/archives-3f0c9b1d

atheris makes the inputs: libFuzzer, guided by which lines of the readers an input reaches. Half of them go to the
number reader, half to the archive reader, in a process of its own each. Each input has to end in a result or in
one of the provider's own errors, within a few seconds and two gigabytes, and without a phone number in an error
or a log line. Prints how many were tried and what was found, and keeps what found it; exits 1 when anything was
found. Needs Linux on x86-64, where atheris has wheels.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any


def again(file: Path) -> int:
    """Try a kept input once more."""
    from tests.fuzz.trials import Collector, tried

    with tempfile.TemporaryDirectory() as folder:
        outcome, wrong = tried(
            file.name.partition("-")[0], file.read_bytes(), Path(folder, "input"), Collector()
        )
    print(wrong or f"{outcome}: nothing is wrong with that.")
    return 1 if wrong else 0


def run(inputs: int, seed: int, folder: Path) -> int:
    """Run a worker for each target and print what they found."""
    started = time.monotonic()
    shares = {"numbers": inputs // 2, "archives": inputs - inputs // 2}
    command = [sys.executable, "-m", "tests.fuzz", "--seed", str(seed), "--keep", str(folder)]
    # Each input takes some temporary files, which are most of its time on a disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    outcomes: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    tried = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as scratch:
        environment = os.environ | {"PYTHONHASHSEED": "0", "TMPDIR": scratch}
        workers = {
            target: subprocess.Popen([*command, "--inputs", str(share), "--target", target], env=environment)
            for target, share in shares.items()
            if share
        }
        died = [target for target, worker in workers.items() if worker.wait()]
    for target in workers:
        if target in died:
            findings[f"the process of {target} died, see {folder}/{target}-died-*"] += 1
        report: dict[str, Any] = json.loads((folder / f"{target}.json").read_text())
        tried += report["tried"]
        outcomes.update(report["outcomes"])
        findings.update(report["findings"])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{tried:,} inputs tried in {time.monotonic() - started:.0f} s "
        f"({usage.ru_utime + usage.ru_stime:.0f} s of CPU), {findings.total():,} found. Seed {seed}."
    )
    for counts in (outcomes, findings):
        for what, count in counts.most_common():
            print(f"{count:>9,}  {what}")
    return 1 if findings or tried < inputs else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Try damaged inputs on the number and the archive reader.")
    parser.add_argument("--inputs", type=int, default=200_000, help="how many (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, help="makes the same inputs again (default: another one each time)"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for inputs that found something (default: a new one)"
    )
    parser.add_argument("--again", type=Path, help="a kept input, to be tried once more")
    parser.add_argument("--target", choices=("numbers", "archives"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.again:
        return again(arguments.again)
    seed = arguments.seed or random.SystemRandom().randrange(1, 1 << 31)
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="fuzz-found-"))
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.target:
        # Here only: what is imported for the first time in there is what guides libFuzzer.
        from tests.fuzz.worker import work

        work(arguments.target, arguments.inputs, seed, folder.resolve())
    return run(arguments.inputs, seed, folder.resolve())


if __name__ == "__main__":
    sys.exit(main())
