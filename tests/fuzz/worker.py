"""One process that makes inputs with atheris and tries them on one reader. Not for summing up: see ``__main__``."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections import Counter
from hashlib import sha256
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["airflow_provider_checknumber"]):
    from tests.fuzz.accidents import changed
    from tests.fuzz.seeds import archive_seeds, list_seeds
    from tests.fuzz.trials import Collector, tried

_LONGEST_INPUT = 1 << 14
#: Of equal findings, as many are kept.
_KEPT_OF_A_KIND = 3


class Worker:
    """
    Tries inputs for one target until there have been enough, then ends the process.

    :param target: ``numbers`` or ``archives``.
    :param inputs: how many.
    :param folder: takes the report, and what found something.
    """

    def __init__(self, target: str, inputs: int, folder: Path) -> None:
        self._target = target
        self._inputs = inputs
        self._folder = folder
        self._collector = Collector()
        self._path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "input"
        self._tried = 0
        self._outcomes: Counter[str] = Counter()
        self._findings: Counter[str] = Counter()
        self._report()

    def try_one(self, data: bytes) -> None:
        """Try one input."""
        self._tried += 1
        outcome, wrong = tried(self._target, data, self._path, self._collector)
        self._outcomes[outcome] += 1
        if wrong:
            self._keep(data, wrong)
        if self._tried % 1_000 == 0 or self._tried == self._inputs:
            self._report()
        if self._tried == self._inputs:
            sys.stderr.flush()
            os._exit(0)

    def _report(self) -> None:
        report = {"tried": self._tried, "outcomes": self._outcomes, "findings": self._findings}
        (self._folder / f"{self._target}.json").write_text(json.dumps(report))

    def _keep(self, data: bytes, wrong: str) -> None:
        kind = " ".join(wrong.strip().splitlines()[-3:])
        self._findings[kind] += 1
        if self._findings[kind] <= _KEPT_OF_A_KIND:
            file = self._folder / f"{self._target}-{sha256(data).hexdigest()[:8]}"
            file.write_bytes(data)
            print(f"{file}: {wrong}", file=sys.stderr)


def work(target: str, inputs: int, seed: int, folder: Path) -> None:
    """Run one worker; never returns."""
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    for number, content in enumerate(list_seeds() if target == "numbers" else archive_seeds()):
        (corpus / str(number)).write_bytes(content)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        def change(part: bytes) -> bytes:
            return bytes(atheris.Mutate(part, longest))

        return changed(data, random.Random(seed), change)[:longest]

    options = [
        f"-seed={seed}",
        f"-max_len={_LONGEST_INPUT}",
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-verbosity=0",
    ]
    options += [f"-artifact_prefix={folder}/{target}-died-"]
    worker = Worker(target, inputs, folder)
    atheris.Setup([sys.argv[0], *options, str(corpus)], worker.try_one, custom_mutator=mutate)
    atheris.Fuzz()
