"""From a connection to its database, or to a sentence that says what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_checknumber.database_hooks import database_hook
from tests.warehouse.databases import CONN_ID, airflow_connection

KINDS = ["duckdb", "mysql", "postgres"]
#: In a process of its own, as Airflow remembers for good which hooks could not be imported.
WITHOUT_PROVIDERS = """
import sys

kinds = sys.argv[1:]
for kind in kinds:
    sys.modules[f"airflow.providers.{kind}.hooks.{kind}"] = None

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_provider_checknumber.database_hooks import database_hook

for kind in kinds:
    try:
        database_hook(kind)
    except AirflowFailException as error:
        print(error)
"""


def test_a_database_without_its_provider_is_told_with_the_extra_that_brings_it() -> None:
    connections = {f"AIRFLOW_CONN_{kind.upper()}": json.dumps({"conn_type": kind}) for kind in KINDS}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PROVIDERS, *KINDS],
        env=os.environ | connections,
        capture_output=True,
        text=True,
        timeout=120,
    )

    for kind in KINDS:
        advice = f"pip install 'airflow-provider-checknumber[{kind}]' on the workers"
        assert f"Connection '{kind}' of type '{kind}' has no usable hook here" in done.stdout, done.stderr
        assert advice in done.stdout


def test_a_database_that_nothing_here_knows_is_told_with_its_type() -> None:
    with (
        airflow_connection('{"conn_type": "tandem"}'),
        pytest.raises(AirflowFailException, match=r"'tandem' has no usable hook .* install the provider for"),
    ):
        database_hook(CONN_ID)
