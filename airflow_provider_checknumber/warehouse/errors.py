"""
What can go wrong between a result and its table.

::

    WarehouseError
    ├── TableError              the table, a name or a column is not what the load needs (permanent)
    ├── ShortfallError          fewer rows than the service says it answered (permanent)
    ├── WarehouseRefusedError   the database refused a statement or a row
    ├── WarehouseUnreachableError  no connection could be opened (passing)
    └── WarehouseBusyError      another load or reader held the table for too long (passing)

A database quotes the offending row in its own errors ("Key (number)=(+90…) already exists"), so none
of its text is repeated here and none is chained: a message names the error's class and its code.
"""

from __future__ import annotations

from airflow_provider_checknumber.client import (
    CheckNumberError,
    CheckNumberPermanentError,
    CheckNumberTransientError,
)


class WarehouseError(CheckNumberError):
    """A load that did not happen; the table is as it was before."""


class TableError(WarehouseError, CheckNumberPermanentError):
    """The table, its columns or a given name do not fit the load: something has to be changed first."""


class ShortfallError(WarehouseError, CheckNumberPermanentError):
    """The archive answers fewer numbers than the service says it identified."""


class WarehouseRefusedError(WarehouseError):
    """The database refused a statement or a row. It may be passing (a lost connection) or not."""


class WarehouseUnreachableError(WarehouseError, CheckNumberTransientError):
    """The hook could not open a connection."""


class WarehouseBusyError(WarehouseError, CheckNumberTransientError):
    """Somebody else held the table or the database file for longer than a load waits."""
