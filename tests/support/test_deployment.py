"""A deployment's end is the end of every process that it has started, whatever has become of their parents."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil

from tests.support.deployment import Deployment
from tests.support.postgres import Postgres

#: Ends at once and leaves behind a process in a group of its own, as a scheduler that dies leaves its workers.
LEAVES_A_CHILD = f"""#!{sys.executable}
import os, sys
if "migrate" not in sys.argv:
    print(os.posix_spawn("/bin/sleep", ["sleep", "600"], {{}}, setpgroup=0))
"""


def test_leaving_the_block_ends_what_a_part_that_has_died_left_behind(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(LEAVES_A_CHILD)
    python.chmod(0o755)
    nothing = Postgres(socket="", database="")
    home = tmp_path / "airflow"

    with Deployment(
        home, database=nothing, dag_files=[], connections={}, settings={}, python=str(python)
    ) as airflow:
        airflow.start("scheduler")
        while not (home / "scheduler.log").read_text():
            time.sleep(0.01)
        child = psutil.Process(int((home / "scheduler.log").read_text()))
        assert os.getpgid(child.pid) == child.pid

    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
