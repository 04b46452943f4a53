"""Fixtures: a sandbox as the default connection, and tasks of it to wait for."""

from __future__ import annotations

from tests.support.waiting import exported, failed, sandbox, stuck, submit

__all__ = ["exported", "failed", "sandbox", "stuck", "submit"]
