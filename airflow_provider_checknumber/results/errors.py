"""
What can be wrong with a result archive or its download, as branches of the provider's error tree.

::

    CheckNumberPermanentError
    └── ResultError                    the results cannot be used as they are
        ├── NotAnArchiveError          neither a zip, nor a spreadsheet, nor a table in text
        ├── UnreadableArchiveError     damaged, cut off, encrypted, or packed in a way that is not read
        │   └── UnsafeArchiveError     made to do harm: names that lead elsewhere, symbolic links
        ├── ArchiveLimitError          larger than the limits allow
        ├── NoTableError               no table in it, and no lists of numbers either
        ├── NoNumberColumnError        a table without a column of numbers
        ├── MalformedRowError          a row that does not fit the table
        ├── MissingExtraError          a package that reading this format needs is not installed
        └── ResultLinkRefusedError     the link leads where results are not taken from
    CheckNumberTransientError
    └── ResultLinkExpiredError         the link is no longer valid; the service gives a fresh one

A message names archive members, columns by their place, and lines by their number; never a phone
number, and of a link nothing but its host.
"""

from __future__ import annotations

import re

from airflow_provider_checknumber.client.errors import CheckNumberPermanentError, CheckNumberTransientError

_LONG_NUMBER = re.compile(r"\d{7,}")


def shown(name: str) -> str:
    """Return a name that a result gives, fit for a message: printable, of bounded length, no phone number in it."""
    printable = "".join(char if char.isprintable() else "?" for char in name[-100:])
    return _LONG_NUMBER.sub("#", printable)


class ResultError(CheckNumberPermanentError):
    """The results cannot be used as they are."""


class NotAnArchiveError(ResultError):
    """What was downloaded is neither a zip, nor a spreadsheet, nor a table in text."""


class UnreadableArchiveError(ResultError):
    """The archive is damaged, cut off, encrypted, or packed in a way that is not read."""


class UnsafeArchiveError(UnreadableArchiveError):
    """The archive holds names that lead out of it, or symbolic links; no service writes such a one."""


class ArchiveLimitError(ResultError):
    """The archive is larger than its limits allow: members, bytes, ratio, columns, or one line."""


class NoTableError(ResultError):
    """The archive holds no table, and no lists of numbers in place of one."""


class NoNumberColumnError(ResultError):
    """There is a table, but no column of it is named ``number``."""


class MalformedRowError(ResultError):
    """
    A row does not fit the table: too few or too many cells, no number, or bytes that are no text.

    :param message: the sentence to show.
    :param line: the line that the row begins at, counted from 1, the header being the first.
    """

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


class MissingExtraError(ResultError):
    """A package that reading or writing this format needs is not installed."""


class ResultLinkRefusedError(ResultError):
    """The result link leads where results are not taken from, or its host refused the download."""


class ResultLinkExpiredError(CheckNumberTransientError):
    """The result link is no longer valid; asking the service for the task again gives a fresh one."""
