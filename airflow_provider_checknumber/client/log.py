"""The little of a logger that is used here: Airflow hands out the standard library's, or structlog's."""

from __future__ import annotations

from typing import Any, Protocol


class Log(Protocol):
    """A logger with %-style messages."""

    def info(self, message: str, /, *args: Any) -> Any:
        """Log what is going on."""

    def warning(self, message: str, /, *args: Any) -> Any:
        """Log what somebody may have to look at."""

    def exception(self, message: str, /, *args: Any) -> Any:
        """Log a caught exception with its traceback."""
