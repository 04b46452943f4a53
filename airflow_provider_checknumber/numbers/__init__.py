"""Number lists in: read, check, normalise, de-duplicate, write. Not for sending them."""

from __future__ import annotations

from airflow_provider_checknumber.numbers.batches import NumberBatch
from airflow_provider_checknumber.numbers.errors import (
    EmptyNumberListError,
    InvalidNumbersError,
    NumberColumnError,
    NumberEncodingError,
    NumberFileNotFoundError,
    NumberListError,
)
from airflow_provider_checknumber.numbers.known import leave_out
from airflow_provider_checknumber.numbers.lines import OnInvalid
from airflow_provider_checknumber.numbers.prepare import PreparedNumbers, prepare_numbers
from airflow_provider_checknumber.numbers.sources import NumberSource, Opener

__all__ = [
    "EmptyNumberListError",
    "InvalidNumbersError",
    "NumberBatch",
    "NumberColumnError",
    "NumberEncodingError",
    "NumberFileNotFoundError",
    "NumberListError",
    "NumberSource",
    "OnInvalid",
    "Opener",
    "PreparedNumbers",
    "leave_out",
    "prepare_numbers",
]
