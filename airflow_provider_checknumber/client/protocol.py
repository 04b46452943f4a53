"""
The wire protocol, once: which requests there are, how answers are read, which error a status is.

The transports (``sync_client`` on requests, ``async_client`` on aiohttp) only move bytes. Facts about
the service are from its own pages; what goes beyond them (statuses other than 200, 400 and 500,
202 for a create, further fields, the balance) has been seen in practice and is read liberally.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from airflow_provider_checknumber.client import errors
from airflow_provider_checknumber.client.endpoint import Endpoint
from airflow_provider_checknumber.client.models import Amount, Task, TaskStatus

#: An answer is a few hundred bytes; what is longer than this is no answer of the service. Bytes.
MAX_ANSWER_BYTES = 1 << 20

T = TypeVar("T")

_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){6,}")
_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Answer:
    """
    What came back over the wire.

    :param status: the HTTP status.
    :param headers: the headers, found by their lower-case names.
    :param body: the body, at most :data:`MAX_ANSWER_BYTES`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Call:
    """
    One request, ready for a transport.

    :param action: what the service is asked to do, for messages.
    :param method: the HTTP method.
    :param path: below the base URL.
    :param fields: form fields; none for a GET.
    """

    action: str
    method: str
    path: str
    fields: Mapping[str, str] = field(default_factory=dict)


def create_call(task_type: str) -> Call:
    """Return the request that makes a task; the transport adds the form's ``file``. It is billed."""
    if not task_type or not task_type.strip():
        raise errors.BadRequestError("The task type is empty: name one, for example Twitter or htx.")
    return Call("take the numbers", "POST", "/v1/tasks", {"task_type": task_type})


def get_call(checknumber_task_id: str) -> Call:
    """Return the request that asks how a task stands. It is free."""
    if not isinstance(checknumber_task_id, str) or not checknumber_task_id.strip():
        raise errors.BadRequestError(
            "The CheckNumber task id is empty: pass the id that submitting returned."
        )
    return Call("look up the task", "POST", "/v1/gettasks", {"task_id": checknumber_task_id})


def balance_call() -> Call:
    """Return the request for the account's balance, which not every deployment answers. It is free."""
    return Call("tell the balance", "GET", "/v1/balance")


def read_created(answer: Answer, *, call: Call, endpoint: Endpoint) -> Task:
    """
    Read the answer to a create.

    :raises CheckNumberError: as :func:`raise_for_status`; :class:`UnreadableAnswerError` for a 2xx
        answer without a task id.
    """
    return _read(answer, call, endpoint, lambda document: _task(document, default_status="pending"))


def read_task(answer: Answer, *, call: Call, endpoint: Endpoint) -> Task:
    """
    Read the answer to a question for a task.

    :raises CheckNumberError: as :func:`raise_for_status`; :class:`UnreadableAnswerError` for a 2xx
        answer that names no status, or another task than the one asked for.
    """
    asked = call.fields["task_id"]

    def parse(document: Mapping[str, Any]) -> Task:
        task = _task({"task_id": asked, **document}, default_status=None)
        if task.task_id != asked:
            raise ValueError("it is about another task")
        return task

    return _read(answer, call, endpoint, parse)


def read_balance(answer: Answer, *, call: Call, endpoint: Endpoint) -> Decimal | None:
    """
    Read the answer to a question for the balance.

    :return: the balance in the account's currency, or None where the deployment has no such call.
    :raises CheckNumberError: as :func:`raise_for_status`.
    """
    if answer.status in (404, 405, 501):
        return None
    return _read(answer, call, endpoint, lambda document: _decimal(document.get("balance")))


def raise_for_status(answer: Answer, *, call: Call, endpoint: Endpoint) -> None:
    """
    Raise the error that the answer's HTTP status stands for; return for 2xx.

    :raises CheckNumberError: the child that ``errors`` draws for the status.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    reason = _reason(answer, endpoint.api_key)
    told = f"HTTP {status}: {reason}" if reason else f"HTTP {status}"
    if status == 400:
        raise _bad_request(answer, endpoint, told)
    if status in (401, 403):
        raise errors.AuthenticationError(
            f"{endpoint.host} refused the API key ({told}): check the connection's password."
        )
    if status == 402:
        raise errors.InsufficientBalanceError(
            f"The balance at {endpoint.host} does not cover these numbers ({told}); nothing was billed. "
            "Top up the account, then run the task again."
        )
    if status == 404 and "task_id" in call.fields:
        raise errors.TaskNotFoundError(
            f"{endpoint.host} knows no task {call.fields['task_id']!r} for this API key ({told}): check the "
            "id, and that the connection is the one that submitted it."
        )
    if status == 413:
        raise errors.FileTooLargeError(
            f"{endpoint.host} refused the number file for its size ({told}); nothing was billed. Send it in parts."
        )
    if 300 <= status < 400:
        raise errors.RequestRefusedError(
            f"{endpoint.host} answered with a redirect (HTTP {status}), which is not followed so that the API "
            "key stays with its host: set the connection's host to where the service really is."
        )
    if status < 500 and status not in (408, 425, 429):
        raise errors.RequestRefusedError(
            f"{endpoint.host} would not {call.action} ({told}): check the connection's host."
        )
    raise _transient(answer, endpoint, told)


def _bad_request(answer: Answer, endpoint: Endpoint, told: str) -> errors.BadRequestError:
    document = _document(answer)
    if document is not None and document.get("error") == "invalid_batch_size":
        return errors.BatchSizeError(
            f"{endpoint.host} takes lists of another size for this task type ({told}); nothing was billed. "
            "Send more (or fewer) distinct valid numbers at once."
        )
    return errors.BadRequestError(
        f"{endpoint.host} refused the request ({told}); nothing was billed. Check the task type and the number file."
    )


def _transient(answer: Answer, endpoint: Endpoint, told: str) -> errors.CheckNumberTransientError:
    retry_after = _retry_after(answer.headers.get("retry-after"))
    if answer.status == 429:
        wait = "" if retry_after is None else f" and asks to wait {retry_after:.0f} s"
        return errors.RateLimitedError(
            f"{endpoint.host} has had too many requests ({told}){wait}.", retry_after=retry_after
        )
    if answer.status == 500:
        return errors.InternalServerError(
            f"{endpoint.host} failed on its side ({told}); try again later.", retry_after=retry_after
        )
    if answer.status in (408, 425):
        return errors.ConnectionLostError(
            f"{endpoint.host} did not wait for the whole request ({told}); try again later.",
            retry_after=retry_after,
        )
    return errors.GatewayError(
        f"The gateway of {endpoint.host} got no answer from the service ({told}); try again later.",
        retry_after=retry_after,
    )


def _read(answer: Answer, call: Call, endpoint: Endpoint, parse: Callable[[Mapping[str, Any]], T]) -> T:
    raise_for_status(answer, call=call, endpoint=endpoint)
    unreadable = "it is not a JSON object"
    document = _document(answer)
    if document is not None:
        try:
            return parse(document)
        except ValueError as error:
            unreadable = str(error)
    raise errors.UnreadableAnswerError(
        f"{endpoint.host} answered HTTP {answer.status}, but its answer cannot be read: {unreadable}. Check that "
        "the connection's host is the service's own."
    )


def _task(document: Mapping[str, Any], *, default_status: str | None) -> Task:
    task_id = document.get("task_id")
    if isinstance(task_id, int) and not isinstance(task_id, bool):
        task_id = str(task_id)
    if not isinstance(task_id, str) or not task_id.strip() or len(task_id) > 250 or not task_id.isprintable():
        raise ValueError("it holds no task id")
    raw_status = document.get("status") or default_status
    if not isinstance(raw_status, str):
        raise ValueError("it holds no status")
    status = _status(raw_status)
    return Task(
        task_id=task_id,
        status=status,
        raw_status=raw_status if status is not TaskStatus.UNKNOWN else _scrub(raw_status)[:60],
        total=_count(document.get("total")),
        success=_count(document.get("success")),
        failure=_count(document.get("failure")),
        created_at=_timestamp(document.get("created_at")),
        updated_at=_timestamp(document.get("updated_at")),
        user_id=_text(document.get("user_id")),
        message=_text(document.get("message")),
        result_url=_text(document.get("result_url")),
        estimated_amount=_amount(document.get("estimated_amount")),
        actual_amount=_amount(document.get("actual_amount")),
    )


def _status(raw: str) -> TaskStatus:
    try:
        return TaskStatus(raw.strip().lower())
    except ValueError:
        return TaskStatus.UNKNOWN


def _count(value: Any) -> int:
    """Read a count of numbers. One that cannot be read is 0: it must not cost us the task id beside it."""
    if type(value) is int and value.bit_length() < 60:  # What the service writes, and the quickest to read.
        return max(value, 0)
    try:
        return max(int(_decimal(value)), 0)
    except ValueError:
        return 0


def _decimal(value: Any) -> Decimal:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if number.is_finite() and number.adjusted() < 18:  # "1e999999999" would fill the memory as an int
            return number
    raise ValueError("it holds no number where one is due")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _amount(value: Any) -> Amount | None:
    """Read a sum of money; what a deployment writes otherwise is no reason to lose the answer."""
    if not isinstance(value, dict):
        return None
    try:
        return Amount(_decimal(value.get("amount")), str(value.get("currency") or ""))
    except ValueError:
        return None


def _timestamp(value: Any) -> datetime | None:
    """Read an RFC 3339 time, which the service writes with up to nine fractional digits; UTC where it has no zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _retry_after(value: str | None) -> float | None:
    """Read ``Retry-After``, which RFC 9110 allows as seconds or as a date. Returns seconds, 0 or more."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _document(answer: Answer) -> dict[str, Any] | None:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _reason(answer: Answer, api_key: str) -> str:
    """Return the service's own words for an error, in one line and without anything personal."""
    document = _document(answer)
    if document is not None:
        parts = [part for part in (document.get("error"), document.get("message")) if isinstance(part, str)]
        text = ": ".join(dict.fromkeys(filter(None, parts)))
    else:
        text = answer.body[:2000].decode("utf-8", "replace").strip()
        if text.startswith("<"):  # A gateway's HTML page says nothing that the status does not.
            return ""
    return _scrub(text.replace(api_key, "***"))[:200]


def _scrub(text: str) -> str:
    """Return ``text`` in one line, without links and without anything that could be a phone number."""
    text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(_NUMBER.sub("[number]", _LINK.sub("[link]", text)).split())
