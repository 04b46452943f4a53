from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_checknumber.results import download as download_module
from tests.results.archives import Read, read
from tests.results.hosts import CONTENT, Host, hosting


@pytest.fixture
def read_result(tmp_path: Path) -> Callable[..., Read]:
    """Reads the bytes of a download."""
    return partial(read, path=tmp_path / "download")


@pytest.fixture
def host() -> Iterator[Host]:
    """Gives out result links."""
    with hosting(CONTENT) as host:
        yield host


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a download goes."""
    return tmp_path / "result.zip"


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Downloads do not pause; these are the seconds that they would have paused."""
    pauses: list[float] = []
    monkeypatch.setattr(download_module.time, "sleep", pauses.append)
    return pauses
