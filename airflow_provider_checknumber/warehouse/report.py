"""What a load did, in numbers. Nothing here can hold a phone number."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """
    Where the rows of a result went: ``rows_read == loaded + duplicates + superseded``.

    :param rows_read: rows that the archive gave.
    :param loaded: rows of this check that the table holds after the load.
    :param duplicates: rows left out because a later row of the archive has the same number.
    :param superseded: rows left out by ``merge`` because the table has a newer answer.
    :param removed: rows that were in the table before and are not any more: an earlier load of the same
        check for ``append``, all of the table's for ``replace``. ``merge`` removes none, it updates.
    """

    rows_read: int
    loaded: int
    duplicates: int = 0
    superseded: int = 0
    removed: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)
