"""What runs in a worker, before a task's own code: it can tell who the worker is, and kill it at a point.

The operators know nothing of it: it comes by their ``pre_execute``, and wraps what they call.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Point = Literal[
    "before the intent", "before the request", "before the record", "after the record", "on resuming"
]

#: When the place where submissions are on record cannot be used.
Loss = Literal["reading", "intending", "settling"]

#: Where workers and the test leave word for each other.
FOLDER = "CHECKNUMBER_FAULTS_FOLDER"


def folder(dag_id: str) -> Path:
    """Return the folder of a DAG's files."""
    return Path(os.environ[FOLDER], dag_id)


class Worker:
    """
    A ``pre_execute`` for a task that tells its process id and may be killed, once.

    :param kill: at which point.
    :param lose_name: how often the name of the service is not resolved.
    :param lose_record: when the record cannot be used: ``reading`` it on a retry, once; all of the first
        try from ``intending`` on, or from ``settling`` on, after the answer.
    """

    def __init__(
        self, *, kill: Point | None = None, lose_name: int = 0, lose_record: Loss | None = None
    ) -> None:
        self.kill = kill
        self.lose_name = lose_name
        self.lose_record = lose_record

    def __call__(self, context: Any) -> None:
        ti = context["ti"]
        where = folder(ti.dag_id)
        # Renamed into place, so that nobody reads half of it.
        (where / f"{ti.task_id}.pid.new").write_text(str(os.getpid()))
        (where / f"{ti.task_id}.pid.new").replace(where / f"{ti.task_id}.pid")
        marker = where / f"{ti.task_id}.killed"
        if self.kill and not marker.exists():
            _arm(self.kill, marker)
        if self.lose_name:
            _lose_name(self.lose_name)
        if self.lose_record:
            _lose_record(self.lose_record, retried=ti.try_number > 1)


def _arm(point: Point, marker: Path) -> None:
    from airflow_provider_checknumber.billing.record import Record
    from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook
    from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator

    def die() -> None:
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    if point == "before the intent":
        _wrap(Record, "intend", before=die)
    elif point == "before the request":
        _wrap(CheckNumberHook, "submit_task", before=die)
    elif point == "before the record":
        _wrap(Record, "settle", before=die)
    elif point == "after the record":
        _wrap(Record, "settle", after=die)
    else:
        _wrap(CheckNumberSubmitOperator, "execute_complete", before=die)


def _wrap(
    owner: type,
    name: str,
    *,
    before: Callable[[], None] | None = None,
    after: Callable[[], None] | None = None,
) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        if before:
            before()
        result = original(*arguments, **keywords)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


def _lose_name(times: int) -> None:
    """Let the resolver fail, as it does without a network; only for this host and for so many times."""
    original, left = socket.getaddrinfo, [times]

    @functools.wraps(original)
    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host == "localhost" and left[0]:
            left[0] -= 1
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return original(host, *arguments, **keywords)

    socket.getaddrinfo = getaddrinfo


def _lose_record(loss: Loss, *, retried: bool) -> None:
    """Let the metadata database fail, below what catches errors: as a worker of that Airflow sees it fail."""
    from airflow_provider_checknumber.hooks.checknumber import CheckNumberHook

    if retried == (loss != "reading"):
        return
    try:
        from airflow.sdk.execution_time.comms import CommsDecoder
    except ImportError:
        lose_database = _lose_database
    else:
        lose_database = functools.partial(_lose_api_server, CommsDecoder)
    if loss == "settling":
        _wrap(CheckNumberHook, "submit_task", after=lambda: lose_database("write"))
    else:
        lose_database("read" if loss == "reading" else "write")


def _lose_database(use: Literal["read", "write"]) -> None:
    """A worker of Airflow 2 asks the database itself."""
    from airflow.models.variable import Variable
    from airflow.secrets.metastore import MetastoreBackend

    def fail() -> None:
        raise ConnectionError("the metadata database is restarting")

    if use == "read":
        _wrap(MetastoreBackend, "get_variable", before=_once(fail))
    else:
        _wrap(Variable, "set", before=fail)


def _lose_api_server(comms: type, use: Literal["read", "write"]) -> None:
    """A worker of Airflow 3 asks its supervisor, which asks the API server, which asks the database."""
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse

    messages = ("GetVariable", "GetTaskStateStore") if use == "read" else ("PutVariable", "SetTaskStateStore")
    original = comms.send  # type: ignore[attr-defined]

    def fail() -> None:
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))

    fail = _once(fail) if use == "read" else fail

    @functools.wraps(original)
    def send(self: Any, msg: Any, *arguments: Any, **keywords: Any) -> Any:
        if type(msg).__name__ in messages and msg.key.startswith(
            ("checknumber_record", "checknumber_submissions")
        ):
            fail()
        return original(self, msg, *arguments, **keywords)

    comms.send = send  # type: ignore[attr-defined]


def _once(call: Callable[[], None]) -> Callable[[], None]:
    left = [call]

    def once() -> None:
        if left:
            left.pop()()

    return once
