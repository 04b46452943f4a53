"""
What can be wrong with a number list, as one branch of the provider's error tree.

::

    CheckNumberPermanentError
    └── NumberListError              the list cannot be sent as it is
        ├── NumberFileNotFoundError  there is no such file
        ├── EmptyNumberListError     it holds no number
        ├── InvalidNumbersError      it holds lines that are no E.164 numbers
        ├── NumberEncodingError      it is not text of the expected encoding
        └── NumberColumnError        the column that holds the numbers is not named, or not there

Nothing has been sent and nothing billed when one of these is raised. A message names lines by their
number and never shows what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_checknumber.client.errors import CheckNumberPermanentError


class NumberListError(CheckNumberPermanentError):
    """The number list cannot be sent as it is; nothing was sent."""


class NumberFileNotFoundError(NumberListError):
    """There is no file at the given place."""


class EmptyNumberListError(NumberListError):
    """
    The list holds no number at all, or none that is left after the invalid ones were skipped.

    :param message: the sentence to show.
    :param lines_read: lines that held something, but no number.
    """

    def __init__(self, message: str, *, lines_read: int = 0) -> None:
        super().__init__(message)
        self.lines_read = lines_read


class InvalidNumbersError(NumberListError):
    """
    The list holds lines that are no E.164 numbers.

    :param message: the sentence to show.
    :param line_numbers: the first few of those lines, counted from 1.
    :param invalid_count: how many there are in all.
    """

    def __init__(self, message: str, *, line_numbers: Sequence[int], invalid_count: int) -> None:
        super().__init__(message)
        self.line_numbers = tuple(line_numbers)
        self.invalid_count = invalid_count


class NumberEncodingError(NumberListError):
    """The list is not text of the encoding that it was read with."""


class NumberColumnError(NumberListError):
    """The column that holds the numbers was not named, or the table has none of that name."""


def system_reason(error: OSError) -> str:
    """Return why the system refused something; storages other than disks often give no more than a type."""
    return error.strerror or type(error).__name__
