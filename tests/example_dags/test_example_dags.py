"""The examples are what a reader should copy: wired by values, documented, free of warnings.

That they run in real Airflow is shown by ``tests/demo``, which runs each of them.
"""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import pytest

from airflow_provider_checknumber.sandbox.demo import EXAMPLES

FOLDER = Path(__file__).parents[2] / "example_dags"
FILES = sorted(FOLDER.glob("*.py"))


def load(file: Path):
    with warnings.catch_warnings():
        # What an older Airflow warns of within itself, on being imported, is no fault of the example's.
        warnings.filterwarnings("error", module=r"<run_path>|airflow_provider_checknumber")
        namespace = runpy.run_path(str(file))
    return namespace["submit"].dag


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_named_after_its_file_and_explains_itself(file):
    dag = load(file)

    assert dag.dag_id == file.stem
    assert dag.doc_md.strip().startswith("### ")
    assert all(task.doc_md for task in dag.tasks)
    assert "example" in dag.tags


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_submit_wait_and_load_are_wired_by_their_values(file):
    dag = load(file)

    assert dag.get_task("submit").downstream_task_ids == {"wait"}
    (after_wait,) = dag.get_task("wait").downstream_task_ids
    assert after_wait == "load" or dag.get_task(after_wait).downstream_task_ids == {"load"}


def test_the_demo_has_an_example_of_each_service():
    assert {f"{example.dag_id}.py" for example in EXAMPLES.values()} <= {file.name for file in FILES}
