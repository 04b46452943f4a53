"""What the README and the texts beside the code show works as it stands there."""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [ROOT / "README.md", *sorted((ROOT / "airflow_provider_checknumber").rglob("README.md"))]


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


BLOCKS = [
    pytest.param(block, id=f"{text.parent.name}-{number}")
    for text in TEXTS
    for number, block in enumerate(python_blocks(text.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_runs_by_itself_without_a_warning(block):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What Airflow before 3.3 is to be told.
        warnings.filterwarnings("ignore", "start_from_trigger and end_from_trigger need Airflow 3.3")
        exec(compile(block, "README.md", "exec"), {})


def test_the_first_block_is_a_dag_of_submit_wait_and_load():
    namespace: dict = {}
    exec(compile(python_blocks(README)[0], "README.md", "exec"), namespace)
    dag = namespace["submit"].dag

    assert [sorted(task.downstream_task_ids) for task in dag.topological_sort()] == [["wait"], ["load"], []]


def test_every_link_into_the_project_leads_somewhere():
    targets = [
        text.parent / target
        for text in TEXTS
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text.read_text(encoding="utf-8"))
    ]

    assert targets
    assert [target for target in targets if not target.exists()] == []


def test_the_readme_leads_to_every_text_beside_the_code():
    unmentioned = [name for text in TEXTS[1:] if (name := text.relative_to(ROOT).as_posix()) not in README]

    assert unmentioned == []


def test_every_command_of_the_project_that_is_named_exists():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert set(re.findall(r"(?<![\w-])checknumber-[a-z]+", README)) <= set(scripts)


def test_every_environment_variable_block_is_valid_json():
    values = re.findall(r"export AIRFLOW_CONN_\w+='(.*)'", README)

    assert [json.loads(value)["conn_type"] for value in values] == ["checknumber"]
