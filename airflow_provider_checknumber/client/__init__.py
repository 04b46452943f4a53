"""The services' wire protocol and two clients for it. Not for: Airflow, number lists or result archives."""

from __future__ import annotations

from airflow_provider_checknumber.client.async_client import AsyncCheckNumberClient
from airflow_provider_checknumber.client.endpoint import Endpoint, make_endpoint
from airflow_provider_checknumber.client.errors import (
    AuthenticationError,
    BadRequestError,
    BatchSizeError,
    CheckNumberError,
    CheckNumberPermanentError,
    CheckNumberTransientError,
    ConnectionLostError,
    FileTooLargeError,
    GatewayError,
    InsufficientBalanceError,
    InternalServerError,
    InvalidConnectionError,
    RateLimitedError,
    RequestRefusedError,
    ServiceUnreachableError,
    TaskFailedError,
    TaskNotFoundError,
    UnreadableAnswerError,
)
from airflow_provider_checknumber.client.models import Amount, Task, TaskStatus
from airflow_provider_checknumber.client.sync_client import CheckNumberClient
from airflow_provider_checknumber.client.timing import Timing

__all__ = [
    "Amount",
    "AsyncCheckNumberClient",
    "AuthenticationError",
    "BadRequestError",
    "BatchSizeError",
    "CheckNumberClient",
    "CheckNumberError",
    "CheckNumberPermanentError",
    "CheckNumberTransientError",
    "ConnectionLostError",
    "Endpoint",
    "FileTooLargeError",
    "GatewayError",
    "InsufficientBalanceError",
    "InternalServerError",
    "InvalidConnectionError",
    "RateLimitedError",
    "RequestRefusedError",
    "ServiceUnreachableError",
    "Task",
    "TaskFailedError",
    "TaskNotFoundError",
    "TaskStatus",
    "Timing",
    "UnreadableAnswerError",
    "make_endpoint",
]
