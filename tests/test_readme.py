"""What the README shows works as it stands there."""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[-1])
def test_a_python_block_runs_without_a_warning(block):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(block, "README.md", "exec"), {})


def test_the_first_block_is_a_dag_of_submit_wait_and_load():
    namespace: dict = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), namespace)
    dag = namespace["submit"].dag

    assert [sorted(task.downstream_task_ids) for task in dag.topological_sort()] == [["wait"], ["load"], []]


def test_every_link_into_the_project_leads_somewhere():
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)

    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_command_of_the_project_that_is_named_exists():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert set(re.findall(r"(?<![\w-])checknumber-[a-z]+", README)) <= set(scripts)


def test_every_environment_variable_block_is_valid_json():
    values = re.findall(r"export AIRFLOW_CONN_\w+='(.*)'", README)

    assert [json.loads(value)["conn_type"] for value in values] == ["checknumber"]
