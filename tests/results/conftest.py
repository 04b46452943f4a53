from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.results.archives import Read, read


@pytest.fixture
def read_result(tmp_path: Path) -> Callable[..., Read]:
    """Reads the bytes of a download."""
    return partial(read, path=tmp_path / "download")
