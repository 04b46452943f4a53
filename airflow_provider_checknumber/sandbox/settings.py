"""What can be chosen about a sandbox before it starts. What changes while it runs is a fault."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from pathlib import Path

SERVICES = ("checknumber", "ekycpro")

#: The ways in which result files are known to differ, see :attr:`SandboxSettings.result_shape`.
RESULT_SHAPES = ("csv", "flat", "semicolon", "crlf", "bom", "no-plus", "names")


@dataclass(frozen=True, kw_only=True)
class SandboxSettings:
    """The make-up of one sandbox.

    :param service: ``checknumber`` or ``ekycpro``: the connection type that the sandbox hands out. Both
        services speak the same protocol, so nothing else depends on it.
    :param host: Address to listen on; loopback unless told otherwise.
    :param port: Port to listen on, ``0`` for a free one.
    :param api_key: The key that is accepted; a random one by default.
    :param speed: Numbers processed a second, for each task on its own; ``inf`` for at once.
    :param queue_seconds: Seconds that a task is ``pending`` before it is ``processing``.
    :param undetermined: Share (0 to 1) of the numbers for which the service finds no answer. Which ones
        depends on the number alone. They count as ``failure``.
    :param balance: The account's money at the start.
    :param price: Money for one number.
    :param min_batch: Smallest accepted number of distinct valid numbers.
    :param max_batch: Largest accepted number of distinct valid numbers.
    :param max_body_bytes: Largest accepted upload in bytes; larger ones are answered 413.
    :param link_ttl: Seconds until a result link expires; at most a week, as on S3.
    :param balance_endpoint: Whether this deployment has ``GET /v1/balance``.
    :param result_shape: Words out of :data:`RESULT_SHAPES`: ``csv`` (the table itself instead of a zip),
        ``flat`` (no folder in the zip), ``semicolon``, ``crlf``, ``bom``, ``no-plus`` (numbers without
        their ``+``) and ``names`` (one more column with account names that need quoting).
    :param tls_cert: Certificate chain (PEM) to serve ``https`` with; needs ``tls_key``.
    :param tls_key: Private key (PEM) of ``tls_cert``.
    :raises ValueError: if a value makes no sense; the message names it.
    """

    service: str = "checknumber"
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    speed: float = 1_000.0
    queue_seconds: float = 1.0
    undetermined: float = 0.02
    balance: float = 10_000.0
    price: float = 0.0001
    min_batch: int = 1
    max_batch: int = 10_000_000
    max_body_bytes: int = 256 * 1024 * 1024
    link_ttl: float = 3_600.0
    balance_endpoint: bool = True
    result_shape: frozenset[str] = frozenset()
    tls_cert: Path | str | None = None
    tls_key: Path | str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        unknown_shapes = self.result_shape.difference(RESULT_SHAPES)
        for sound, complaint in (
            (self.service in SERVICES, f"service must be one of {', '.join(SERVICES)}"),
            (0 <= self.port <= 65_535, "port must be from 0 to 65535"),
            (self.api_key, "api_key must not be empty"),
            (self.speed > 0, "speed must be above 0 numbers a second"),
            (0 <= self.queue_seconds < math.inf, "queue_seconds must be 0 or more"),
            (0 <= self.undetermined <= 1, "undetermined is a share from 0 to 1"),
            (0 <= self.balance < math.inf, "balance must be 0 or more"),
            (0 <= self.price < math.inf, "price must be 0 or more"),
            (1 <= self.min_batch <= self.max_batch, "min_batch must be from 1 to max_batch"),
            (self.max_body_bytes > 0, "max_body_bytes must be above 0"),
            (0 < self.link_ttl <= 604_800, "link_ttl must be above 0 and at most 604800 seconds"),
            (not unknown_shapes, f"result_shape knows only {', '.join(RESULT_SHAPES)}"),
            ((self.tls_cert is None) == (self.tls_key is None), "tls_cert and tls_key go together"),
        ):
            if not sound:
                raise ValueError(complaint)
