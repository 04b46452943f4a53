from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_checknumber import sandbox
from airflow_provider_checknumber.sandbox.faults import _KINDS, FaultBoard
from airflow_provider_checknumber.sandbox.faults import __doc__ as reference

README = (Path(sandbox.__file__).parent / "README.md").read_text(encoding="utf-8")
FAULTS = [json.loads(text) for text in re.findall(r"curl \$FAULTS -d '(.+?)'", README)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["kind"])
def test_every_fault_in_the_readme_can_be_set(fault: dict[str, object]) -> None:
    assert FaultBoard().set(fault).kind == fault["kind"]


def test_every_kind_of_fault_and_all_that_it_takes_is_described() -> None:
    assert reference is not None
    assert set(re.findall(r"^``(\w+)``  ", reference, re.MULTILINE)) == set(_KINDS)
    for _, parameters in _KINDS.values():
        assert all(f"``{name}``" in reference for name in parameters)
    assert len(FAULTS) > 10
