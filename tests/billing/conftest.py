from __future__ import annotations

import pytest

from tests.billing.parts import Airflow


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were to be waited between tries, which the tests do not wait."""
    asked: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", asked.append)
    return asked


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


@pytest.fixture(autouse=True)
def _quick_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    """What slows a guesser down would slow a hundred tests down too."""
    monkeypatch.setattr("airflow_provider_checknumber.billing.record._HASH_ROUNDS", 1)
