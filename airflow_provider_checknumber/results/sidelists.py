"""
The lists that lie beside a table, ``activated.txt`` and ``unregistered.txt``, read as one where it is missing.

Each is one number a line; the file's name is the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_checknumber.results.archive import Archive, Member
from airflow_provider_checknumber.results.columns import NUMBER_COLUMN
from airflow_provider_checknumber.results.delimited import DelimitedTable
from airflow_provider_checknumber.results.rows import RawRows

#: The lists that are known, and what being in one of them means.
LIST_ANSWERS = {"activated": "yes", "unregistered": "no"}


class SideLists:
    """
    Side lists as one table of two columns, ``number`` and ``activated``.

    :param archive: the archive they are in.
    :param members: the lists, each of which is one of :data:`LIST_ANSWERS`.
    """

    header = (NUMBER_COLUMN, "activated")

    def __init__(self, archive: Archive, members: Sequence[Member]) -> None:
        self._archive = archive
        self._members = members
        self.name = " and ".join(member.name for member in members)

    def rows(self) -> Iterator[RawRows]:
        """Read the lists one after the other."""
        for member in self._members:
            answer = LIST_ANSWERS[member.stem]
            with self._archive.open(member) as stream:
                table = DelimitedTable(stream, name=member.name, max_columns=1, header=[NUMBER_COLUMN])
                for raw in table.rows():
                    answers = [answer] * len(raw.lines)
                    yield RawRows(raw.member, [*raw.columns, answers], raw.lines, raw.bad)
