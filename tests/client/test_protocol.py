"""How answers are read and errors are told, without a wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from airflow_provider_checknumber.client import (
    AuthenticationError,
    BadRequestError,
    BatchSizeError,
    CheckNumberError,
    CheckNumberPermanentError,
    CheckNumberTransientError,
    ConnectionLostError,
    Endpoint,
    FileTooLargeError,
    GatewayError,
    InsufficientBalanceError,
    InternalServerError,
    RateLimitedError,
    RequestRefusedError,
    Task,
    TaskNotFoundError,
    TaskStatus,
    UnreadableAnswerError,
    protocol,
)
from airflow_provider_checknumber.client.protocol import Answer

ENDPOINT = Endpoint("https://api.checknumber.ai", "SECRET-KEY-1234")
TASK_ID = "d4g24nep2jvh04o9uoh0"
# The answers as they stand on the service's own page.
CREATED = {
    "task_id": "d4g8o46p2jvh04o9uolg",
    "status": "pending",
    "total": 2049,
    "message": "Task created successfully",
    "created_at": "2025-11-21T15:58:08.916446594Z",
}
PROCESSING = {
    "created_at": "2025-11-21T08:27:09.933Z",
    "updated_at": "2025-11-21T08:27:10.241Z",
    "task_id": TASK_ID,
    "user_id": "wfi7wGPS4B4PdtTMox5Y",
    "status": "processing",
    "total": 2049,
    "success": 1024,
    "failure": 0,
}


def answer(body: Any = b"", *, status: int = 200, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def read_created(given: Answer) -> Task:
    return protocol.read_created(given, call=protocol.create_call("Twitter"), endpoint=ENDPOINT)


def read_task(given: Answer) -> Task:
    return protocol.read_task(given, call=protocol.get_call(TASK_ID), endpoint=ENDPOINT)


def test_the_documented_answer_to_a_create_is_read_with_its_nanoseconds() -> None:
    task = read_created(answer(CREATED))
    assert (task.task_id, task.status, task.total) == ("d4g8o46p2jvh04o9uolg", TaskStatus.PENDING, 2049)
    assert task.created_at == datetime(2025, 11, 21, 15, 58, 8, 916446, tzinfo=UTC)


def test_the_documented_answer_about_a_task_is_read_with_its_progress() -> None:
    task = read_task(answer(PROCESSING))
    assert (task.status, task.success, task.failure, task.processed) == (TaskStatus.PROCESSING, 1024, 0, 1024)
    assert task.progress == pytest.approx(1024 / 2049)
    assert task.updated_at == datetime(2025, 11, 21, 8, 27, 10, 241000, tzinfo=UTC)


def test_202_with_a_total_of_zero_is_an_accepted_create() -> None:
    task = read_created(answer({**CREATED, "total": 0}, status=202))
    assert task.total == 0
    assert task.progress is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-11-21T08:27:09Z", datetime(2025, 11, 21, 8, 27, 9, tzinfo=UTC)),
        ("2025-11-21T08:27:09.1Z", datetime(2025, 11, 21, 8, 27, 9, 100000, tzinfo=UTC)),
        ("2025-11-21T11:27:09.123456789+03:00", datetime(2025, 11, 21, 8, 27, 9, 123456, tzinfo=UTC)),
        ("yesterday", None),
        ("2025-13-41T08:27:09Z", None),
        (12, None),
    ],
)
def test_times_are_read_with_any_number_of_fractional_digits(text: object, expected: datetime | None) -> None:
    assert read_task(answer({**PROCESSING, "created_at": text})).created_at == expected


@pytest.mark.parametrize("status", ["paused", "EXPORTING", "queued"])
def test_an_unknown_status_is_kept_and_not_terminal(status: str) -> None:
    task = read_task(answer({**PROCESSING, "status": status}))
    assert task.status is TaskStatus.UNKNOWN
    assert task.raw_status == status
    assert not task.status.is_terminal


def test_further_fields_are_read_and_broken_ones_do_not_cost_the_task_id() -> None:
    document = {
        **CREATED,
        "total": "many",
        "success": None,
        "failure": "1e999999999",
        "estimated_amount": {"amount": "0.18", "currency": "USD"},
        "actual_amount": "nothing",
        "new_field": [1, 2],
    }
    task = read_created(answer(document))
    assert task.task_id == CREATED["task_id"]
    assert (task.total, task.success, task.failure) == (0, 0, 0)
    assert str(task.estimated_amount) == "0.18 USD"
    assert task.actual_amount is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>OK</html>",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        {"status": "pending"},
        {**CREATED, "task_id": ""},
        {**CREATED, "task_id": None},
        {**CREATED, "task_id": ["x"]},
        {**CREATED, "task_id": "a\nb"},
    ],
)
def test_a_2xx_answer_that_cannot_be_read_leaves_open_whether_a_create_was_accepted(body: Any) -> None:
    with pytest.raises(UnreadableAnswerError, match=r"api\.checknumber\.ai.*cannot be read") as caught:
        read_created(answer(body))
    assert caught.value.create_accepted is None


def test_an_answer_about_another_task_is_not_believed() -> None:
    with pytest.raises(UnreadableAnswerError, match="another task"):
        read_task(answer({**PROCESSING, "task_id": "somebody-elses-task"}))


def test_an_answer_without_a_status_is_not_believed() -> None:
    with pytest.raises(UnreadableAnswerError, match="no status"):
        read_task(answer({key: value for key, value in PROCESSING.items() if key != "status"}))


@pytest.mark.parametrize(
    ("status", "error", "accepted"),
    [
        (301, RequestRefusedError, False),
        (307, RequestRefusedError, False),
        (400, BadRequestError, False),
        (401, AuthenticationError, False),
        (402, InsufficientBalanceError, False),
        (403, AuthenticationError, False),
        (404, RequestRefusedError, False),
        (405, RequestRefusedError, False),
        (408, ConnectionLostError, None),
        (413, FileTooLargeError, False),
        (418, RequestRefusedError, False),
        (429, RateLimitedError, False),
        (500, InternalServerError, False),
        (502, GatewayError, None),
        (503, GatewayError, None),
        (504, GatewayError, None),
        (520, GatewayError, None),
    ],
)
def test_each_status_of_a_create_has_its_error_and_says_whether_it_may_have_been_accepted(
    status: int, error: type[CheckNumberError], accepted: bool | None
) -> None:
    with pytest.raises(CheckNumberError, match=f"HTTP {status}") as caught:
        read_created(answer(b"", status=status))
    assert type(caught.value) is error
    assert caught.value.create_accepted is accepted


def test_statuses_that_never_work_and_statuses_to_try_again_are_apart() -> None:
    for status in (400, 401, 402, 404, 413):
        with pytest.raises(CheckNumberPermanentError):
            read_task(answer(b"", status=status))
    for status in (429, 500, 502, 503, 504):
        with pytest.raises(CheckNumberTransientError):
            read_task(answer(b"", status=status))


def test_a_task_that_does_not_exist_is_named() -> None:
    with pytest.raises(TaskNotFoundError, match=TASK_ID):
        read_task(answer({"error": "not_found"}, status=404))


def test_a_batch_below_the_smallest_is_told_from_other_bad_requests() -> None:
    body = {"error": "invalid_batch_size", "message": "at least 500 numbers"}
    with pytest.raises(BatchSizeError, match="at least 500 numbers"):
        read_created(answer(body, status=400))


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_as_seconds_and_as_a_date(status: int) -> None:
    with pytest.raises(CheckNumberTransientError) as caught:
        read_task(answer(b"", status=status, retry_after="17"))
    assert caught.value.retry_after == 17
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with pytest.raises(CheckNumberTransientError) as caught:
        read_task(answer(b"", status=status, retry_after=date))
    assert caught.value.retry_after == pytest.approx(90, abs=5)
    with pytest.raises(CheckNumberTransientError) as caught:
        read_task(answer(b"", status=status, retry_after="soon"))
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": "bad_number", "message": "line 3: +905321234567 is unknown"},
        {"error": "bad", "message": "number 0532 123 45 67 for key SECRET-KEY-1234"},
        b"+90 (532) 123-45-67 refused, see https://x.example/?number=905321234567",
        b"plain SECRET-KEY-1234 text\r\nwith 905321234567",
        b"<html><body>+905321234567 SECRET-KEY-1234</body></html>",
    ],
)
def test_no_number_link_or_key_of_an_error_body_is_quoted(body: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_created(answer(body, status=400))
    message = str(caught.value)
    assert not any(
        part in message for part in ("1234567", "123 45 67", "123-45-67", "SECRET", "https://", "\n")
    )


def test_neither_key_nor_result_link_is_in_a_repr() -> None:
    task = read_task(answer({**PROCESSING, "status": "exported", "result_url": "https://s3.example/x?sig=1"}))
    assert task.result_url == "https://s3.example/x?sig=1"
    assert "sig=1" not in repr(task)
    assert "SECRET" not in repr(ENDPOINT)


def test_the_balance_is_read_and_its_absence_is_no_error() -> None:
    call = protocol.balance_call()
    assert protocol.read_balance(answer({"balance": 12.34}), call=call, endpoint=ENDPOINT) == Decimal("12.34")
    assert protocol.read_balance(answer(b"", status=404), call=call, endpoint=ENDPOINT) is None
    with pytest.raises(AuthenticationError):
        protocol.read_balance(answer(b"", status=401), call=call, endpoint=ENDPOINT)
    with pytest.raises(UnreadableAnswerError):
        protocol.read_balance(answer({}), call=call, endpoint=ENDPOINT)


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_task_type_or_id_is_refused_before_anything_is_sent(empty: str) -> None:
    with pytest.raises(BadRequestError, match="task type is empty"):
        protocol.create_call(empty)
    with pytest.raises(BadRequestError, match="task id is empty"):
        protocol.get_call(empty)
