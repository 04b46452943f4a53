"""A submission is billed once, whatever dies. Not for: Airflow (the operator brings the memory) or HTTP."""

from __future__ import annotations

from airflow_provider_checknumber.billing.errors import (
    InstructionError,
    RecordUnavailableError,
    UnknownOutcomeError,
)
from airflow_provider_checknumber.billing.record import Memory, Submission
from airflow_provider_checknumber.billing.submit import (
    RESUBMIT,
    Instructions,
    OnUnknown,
    Recalled,
    Service,
    recall,
    submit_each,
    submit_once,
)

__all__ = [
    "RESUBMIT",
    "InstructionError",
    "Instructions",
    "Memory",
    "OnUnknown",
    "Recalled",
    "RecordUnavailableError",
    "Service",
    "Submission",
    "UnknownOutcomeError",
    "recall",
    "submit_each",
    "submit_once",
]
