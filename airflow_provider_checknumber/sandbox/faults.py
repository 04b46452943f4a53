"""Faults: what can be made to go wrong while the sandbox runs, and for how many requests.

A fault is a JSON object with a ``kind``, an ``endpoint`` where several are possible, and ``times``: how many
requests it strikes (1 unless given; ``null`` for until it is cleared). Endpoints are ``create``,
``gettasks``, ``balance`` and ``result``; their paths will do as well.

========================  ==========  ====================================================================
kind                      endpoint    what happens, and what else the fault takes (defaults in brackets)
========================  ==========  ====================================================================
``status``                any         answers ``status`` (400 to 599), with ``body`` json, text, html or
                                      empty (json), ``error``, ``message`` and ``retry_after`` (none:
                                      seconds, or a date as HTTP writes it); ``when`` (before)
``drop``                  any         closes the connection without an answer; ``when`` (after);
                                      ``reset``: true sends a TCP reset
``delay``                 any         waits ``seconds``, then carries on; ``when`` (after)
``hold``                  any         waits until the fault is cleared, then carries on; ``when`` (after)
``unreadable``            any         the work is done, and the answer cannot be read: ``body`` text, html,
                                      empty or truncated (text)
``redirect``              any         answers ``status`` 301 to 308 (307) to ``location`` (a path of the
                                      sandbox under another host name, which tells if it saw the key)
``accepted_202``          create      202 instead of 200, ``total`` 0 until the file has been "read"
``min_batch``             create      a batch below ``numbers`` is refused before it is billed
``task_status``           gettasks    answers with ``status``; ``failed`` is final for that task;
                                      ``task_id`` limits it to one task
``expired_link``          result      the link in use has expired (a fresh one is good again)
``truncated_archive``     result      the first half of the file, as if it were the whole
``corrupt_archive``       result      one damaged byte in the table
``not_a_zip``             result      an HTML page instead of the file
``drop_download``         result      closes the connection after ``bytes`` bytes; resuming works
========================  ==========  ====================================================================

``when`` is ``before`` (nothing has been read), ``after_body`` (create only: the upload has been read, and
nothing was accepted) or ``after`` (the service has done its work, in a create: accepted and billed, and the
answer is not out yet). A request that is refused anyway meets no fault that strikes ``after``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

#: Canonical names of the endpoints, by all the names they may be given.
ENDPOINTS = {
    "create": "create",
    "gettasks": "gettasks",
    "balance": "balance",
    "result": "result",
    "/v1/tasks": "create",
    "/v1/gettasks": "gettasks",
    "/v1/balance": "balance",
    "/externalcheck": "result",
}
_ANY = ("create", "gettasks", "balance", "result")
_REQUIRED = object()


class FaultError(ValueError):
    """A fault that cannot be set, and why."""


@dataclass(frozen=True)
class _Parameter:
    """One parameter of a fault: is the value sound, what should it be, what is it if not given."""

    sound: Callable[[Any], bool]
    expected: str
    default: Any = _REQUIRED


def _whole(value: Any, low: int, high: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 86_400


def _text(value: Any) -> bool:
    # It may end up in a header.
    return isinstance(value, str) and value != "" and value.isprintable()


def _one_of(*words: str, default: Any) -> _Parameter:
    return _Parameter(lambda value: value in words, f"one of {', '.join(words)}", default)


_AFTER = _one_of("before", "after_body", "after", default="after")
_KINDS: dict[str, tuple[tuple[str, ...], dict[str, _Parameter]]] = {
    "status": (
        _ANY,
        {
            "status": _Parameter(lambda value: _whole(value, 400, 599), "a whole number from 400 to 599"),
            "body": _one_of("json", "text", "html", "empty", default="json"),
            "error": _Parameter(_text, "a text", None),
            "message": _Parameter(_text, "a text", None),
            "retry_after": _Parameter(
                lambda value: _seconds(value) or _text(value), "seconds or an HTTP date", None
            ),
            "when": _one_of("before", "after_body", "after", default="before"),
        },
    ),
    "drop": (_ANY, {"when": _AFTER, "reset": _Parameter(lambda value: isinstance(value, bool), "true or false", False)}),
    "delay": (_ANY, {"when": _AFTER, "seconds": _Parameter(_seconds, "seconds from 0 to 86400")}),
    "hold": (_ANY, {"when": _AFTER}),
    "unreadable": (_ANY, {"body": _one_of("text", "html", "empty", "truncated", default="text")}),
    "redirect": (
        _ANY,
        {
            "status": _Parameter(lambda value: value in (301, 302, 303, 307, 308), "301, 302, 303, 307 or 308", 307),
            "location": _Parameter(_text, "an address", None),
        },
    ),
    "accepted_202": (("create",), {}),
    "min_batch": (("create",), {"numbers": _Parameter(lambda value: _whole(value, 1), "a whole number above 0")}),
    "task_status": (
        ("gettasks",),
        {"status": _Parameter(_text, "a text"), "task_id": _Parameter(_text, "a task id", None)},
    ),
    "expired_link": (("result",), {}),
    "truncated_archive": (("result",), {}),
    "corrupt_archive": (("result",), {}),
    "not_a_zip": (("result",), {}),
    "drop_download": (("result",), {"bytes": _Parameter(lambda value: _whole(value, 0), "a whole number from 0")}),
}  # fmt: skip


@dataclass(eq=False)
class Fault:
    """A fault that has been set.

    ``times`` is what is left of it, ``None`` for no end; ``struck`` counts what it did; ``waiting`` how many
    requests it is holding at the moment.
    """

    id: int
    kind: str
    endpoint: str
    times: int | None
    parameters: dict[str, Any]
    struck: int = 0
    waiting: int = 0
    cleared: asyncio.Event = field(default_factory=asyncio.Event)

    def strike(self) -> None:
        """Count one request against the fault."""
        self.struck += 1
        if self.times is not None:
            self.times -= 1

    async def hold(self) -> None:
        """Wait until the fault is cleared."""
        self.waiting += 1
        try:
            await self.cleared.wait()
        finally:
            self.waiting -= 1

    def as_json(self) -> dict[str, Any]:
        """Return what a caller of ``/_sandbox`` sees of the fault."""
        return {
            "id": self.id,
            "kind": self.kind,
            "endpoint": self.endpoint,
            "times": self.times,
            **self.parameters,
            "struck": self.struck,
            "waiting": self.waiting,
        }


class FaultBoard:
    """The faults that are set. Lives in the sandbox's event loop and is not thread-safe."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = count(1)

    def set(self, description: object) -> Fault:
        """Set a fault and return it.

        :param description: The fault as described in this module, usually parsed JSON.
        :raises FaultError: if the description is not one of a fault.
        """
        kind, endpoint, times, parameters = _read(description)
        fault = Fault(next(self._ids), kind, endpoint, times, parameters)
        self._faults[fault.id] = fault
        return fault

    def clear(self, fault_id: int | None = None) -> int:
        """Take back one fault, or all of them, and let go whom they hold. Returns how many there were."""
        ids = list(self._faults) if fault_id is None else [fault_id] if fault_id in self._faults else []
        for each in ids:
            self._faults.pop(each).cleared.set()
        return len(ids)

    def active(self) -> list[Fault]:
        """Return the faults that will still strike or are holding a request, oldest first."""
        for fault in list(self._faults.values()):
            if fault.times == 0 and not fault.waiting:
                del self._faults[fault.id]
        return list(self._faults.values())

    def due(self, endpoint: str, when: str) -> list[Fault]:
        """Return the faults that strike ``endpoint`` at the point ``when``, oldest first."""
        if not self._faults:
            return []
        return [
            fault
            for fault in self.active()
            if fault.endpoint == endpoint and fault.times != 0 and _point(fault) == when
        ]

    def take(
        self, *kinds: str, matching: Callable[[Mapping[str, Any]], bool] = lambda _: True
    ) -> Fault | None:
        """Return the oldest fault of these kinds whose parameters match, counted as struck; or ``None``."""
        if not self._faults:
            return None
        for fault in self.active():
            if fault.kind in kinds and fault.times != 0 and matching(fault.parameters):
                fault.strike()
                return fault
        return None


def _point(fault: Fault) -> str | None:
    """Return when in a request's life a fault strikes; ``None`` for those that the handlers ask for."""
    if fault.kind == "redirect":
        return "before"
    if fault.kind == "unreadable":
        return "after"
    return fault.parameters.get("when")


def _read(description: object) -> tuple[str, str, int | None, dict[str, Any]]:
    if not isinstance(description, dict):
        raise FaultError("A fault is a JSON object.")
    given = dict(description)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise FaultError(f"kind must be one of {', '.join(_KINDS)}.")
    endpoints, known = _KINDS[kind]
    asked = given.pop("endpoint", endpoints[0] if len(endpoints) == 1 else None)
    endpoint = ENDPOINTS.get(asked) if isinstance(asked, str) else None
    if endpoint not in endpoints:
        raise FaultError(f"endpoint of a fault of kind {kind} must be one of {', '.join(endpoints)}.")
    times = given.pop("times", 1)
    if times is not None and not _whole(times, 1):
        raise FaultError("times must be a whole number above 0, or null for until it is cleared.")
    if unknown := sorted(str(name) for name in given.keys() - known):
        raise FaultError(f"a fault of kind {kind} does not take {', '.join(unknown)}.")
    parameters = {name: _value(name, parameter, given) for name, parameter in known.items()}
    if parameters.get("when") == "after_body" and endpoint != "create":
        raise FaultError("when can be after_body for the endpoint create only.")
    return kind, endpoint, times, parameters


def _value(name: str, parameter: _Parameter, given: Mapping[str, Any]) -> Any:
    value = given.get(name)
    if value is None:
        if parameter.default is _REQUIRED:
            raise FaultError(f"{name} is missing: it must be {parameter.expected}.")
        return parameter.default
    try:
        sound = parameter.sound(value)
    except TypeError:
        sound = False
    if not sound:
        raise FaultError(f"{name} must be {parameter.expected}.")
    return value
