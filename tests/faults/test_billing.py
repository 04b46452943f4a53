"""A few of the faults that ``python -m tests.faults.billing`` runs, on the Airflow that the tests run on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.billing.scenarios import SCENARIOS
from tests.faults.billing.stage import play
from tests.faults.versions import installed_airflow
from tests.support.postgres import postgres_server

FAULTS = ("follow_id", "record_reading", "kill_submit_deferred")


@pytest.mark.skipif(
    installed_airflow() == "3.0", reason="Airflow 3.0 does not retry a task whose process was killed"
)
def test_no_fault_bills_twice_and_none_ends_in_silence(tmp_path: Path):
    with postgres_server() as database:
        rows = play(
            [SCENARIOS[name] for name in FAULTS],
            folder=tmp_path,
            database=database,
            python=sys.executable,
            airflow=installed_airflow(),
            timeout=420,
            say=print,
        )

    assert [(row.scenario.fault, row.outcome, row.charges) for row in rows] == [
        (row.scenario.fault, row.scenario.expected, row.scenario.charges) for row in rows
    ]
