from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from tests.results.archives import Read, read

# How long an example takes says something about the machine, not about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def read_result(tmp_path: Path) -> Callable[..., Read]:
    """Reads the bytes of a download."""
    return partial(read, path=tmp_path / "download")
