"""
Which file of a download is the result, or which files together are.

In this order: tables in text that name a number column, then spreadsheets, then the side lists of
numbers. Of several kinds of table the one called ``all`` is taken, else the one with most columns, else
the largest; tables with the same columns are read one after the other. The log says what was taken
wherever there was a choice.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from airflow_provider_checknumber.results.archive import Archive, Member
from airflow_provider_checknumber.results.columns import column_names, has_number_column
from airflow_provider_checknumber.results.delimited import DELIMITERS, DelimitedTable
from airflow_provider_checknumber.results.errors import (
    ArchiveLimitError,
    NoNumberColumnError,
    NoTableError,
    NotAnArchiveError,
    ResultError,
)
from airflow_provider_checknumber.results.rows import RawRows, RowSource
from airflow_provider_checknumber.results.sidelists import LIST_ANSWERS, SideLists
from airflow_provider_checknumber.results.spreadsheet import SPREADSHEET_MARK, Spreadsheet
from airflow_provider_checknumber.text import BLOCK_SIZE

log = logging.getLogger(__name__)

_TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")
_DIGITS = re.compile(r"(\d+)")


class TextTables:
    """
    One or more tables in text, all with the same columns, as one.

    :param archive: the archive they are in.
    :param members: the tables, in the order to read them in.
    :param header: their header.
    """

    def __init__(self, archive: Archive, members: Sequence[Member], header: Sequence[str]) -> None:
        self._archive = archive
        self._members = members
        self.header = header
        self.name = " and ".join(member.name for member in members)

    def rows(self) -> Iterator[RawRows]:
        """Read the tables one after the other."""
        for member in self._members:
            with _table(self._archive, member) as table:
                yield from table.rows()


def choose_table(archive: Archive, stack: ExitStack) -> RowSource:
    """
    Return the table of a download.

    :param archive: the open download.
    :param stack: takes what has to be put away when the table is done with.
    :raises NoTableError: when an archive holds neither tables nor side lists.
    :raises NoNumberColumnError: when it holds tables, but none with a number column.
    :raises NotAnArchiveError: when the download is something else.
    """
    if any(member.name == SPREADSHEET_MARK for member in archive.members):
        return Spreadsheet(archive.path, name=archive.path.name, limits=archive.limits, stack=stack)
    if not archive.is_zip:
        return _plain_table(archive)
    text = {
        suffix: [member for member in archive.members if member.suffix == suffix] for suffix in _TEXT_SUFFIXES
    }
    spreadsheets = [member for member in archive.members if member.suffix == ".xlsx"]
    lists = [member for member in text[".txt"] if member.stem in LIST_ANSWERS]
    headless = 0
    for members in ([*text[".csv"], *text[".tsv"]], [one for one in text[".txt"] if one not in lists]):
        tables = _headers(archive, members)
        headless += len(members) - len(tables)
        if tables:
            return _choose_text(archive, tables)
    if spreadsheets:
        return _choose_spreadsheet(archive, spreadsheets, stack)
    if lists:
        ignored = len(archive.members) - len(lists)
        log.info("The result archive holds no table; reading its lists, %d other files left aside.", ignored)
        return SideLists(archive, lists)
    if headless:
        raise NoNumberColumnError(
            f"No table in the result archive has a column named number ({headless} looked at)."
        )
    raise NoTableError(
        f"The result archive holds no table ({len(archive.members)} files, none of them CSV, xlsx or a "
        "known list of numbers)."
    )


@contextmanager
def _table(archive: Archive, member: Member) -> Iterator[DelimitedTable]:
    with archive.open(member) as stream:
        yield DelimitedTable(stream, name=member.name, max_columns=archive.limits.max_columns)


def _headers(archive: Archive, members: Sequence[Member]) -> list[tuple[Member, list[str]]]:
    """Return the tables among some members, each with its header."""
    tables = []
    for member in members:
        with _table(archive, member) as table:
            if has_number_column(table.header):
                tables.append((member, table.header))
            else:
                table.leave_aside()
    return tables


def _choose_text(archive: Archive, tables: Sequence[tuple[Member, list[str]]]) -> TextTables:
    alike: dict[tuple[str, ...], list[Member]] = {}
    headers: dict[tuple[str, ...], list[str]] = {}
    for member, header in tables:
        names = tuple(column_names(header))
        alike.setdefault(names, []).append(member)
        headers.setdefault(names, header)
    whole = [
        (names, member) for names, members in alike.items() for member in members if member.stem == "all"
    ]
    if len(whole) == 1:
        names, members = whole[0][0], [whole[0][1]]
    else:
        names = max(alike, key=lambda one: (len(one), sum(member.size for member in alike[one])))
        members = sorted(alike[names], key=_natural_order)
    for member, _ in tables:
        if member not in members:
            with _table(archive, member) as table:
                table.leave_aside()
    if len(members) < len(tables) or len(members) > 1:
        shown = ", ".join(member.name for member in members[:10])
        log.info(
            "The result archive holds %d tables; reading %d of them: %s.", len(tables), len(members), shown
        )
    return TextTables(archive, members, headers[names])


def _choose_spreadsheet(archive: Archive, members: Sequence[Member], stack: ExitStack) -> Spreadsheet:
    chosen = max(members, key=lambda member: (member.stem == "all", member.size))
    if len(members) > 1:
        log.info("The result archive holds %d spreadsheets; reading %s.", len(members), chosen.name)
    limits = archive.limits
    if chosen.size > limits.max_spreadsheet_bytes:
        raise ArchiveLimitError(
            f"{chosen.name} has {chosen.size} bytes, more than the {limits.max_spreadsheet_bytes} allowed for a "
            "spreadsheet; raise max_spreadsheet_bytes of archive_limits if it is to be trusted."
        )
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="checknumber-"))
    path = Path(directory) / "spreadsheet.xlsx"
    with archive.open(chosen) as source, path.open("wb") as target:
        while data := source.read(BLOCK_SIZE):
            target.write(data)
    return Spreadsheet(path, name=chosen.name, limits=limits, stack=stack)


def _plain_table(archive: Archive) -> TextTables:
    member = archive.members[0]
    problem: ResultError = NoNumberColumnError(
        f"The table {member.name} has no column named number in its first line."
    )
    try:
        for _, header in _headers(archive, [member]):
            return TextTables(archive, [member], header)
    except ResultError as error:
        problem = error
    with archive.open(member) as stream:
        head = stream.read(BLOCK_SIZE)
    if _looks_like_text(head):
        raise problem
    raise NotAnArchiveError(
        f"{member.name} is neither a zip, nor a spreadsheet, nor a table in text; download the results again."
    )


def _looks_like_text(head: bytes) -> bool:
    """Return whether a file may be a table: printable, with several cells, and no markup or JSON."""
    first = head.partition(b"\n")[0]
    separators = any(delimiter.encode() in first for delimiter in DELIMITERS)
    return separators and not _CONTROL.search(head) and not head.lstrip().startswith((b"<", b"{", b"["))


def _natural_order(member: Member) -> list[tuple[int, str]]:
    """Return what sorts ``part-2`` before ``part-10``."""
    name = member.info.filename if member.info else member.name
    parts = _DIGITS.split(name)
    # Every second one is digits. Not made numbers: Python refuses those of thousands of digits.
    parts[1::2] = [digits.lstrip("0") for digits in parts[1::2]]
    return [(len(part) if place % 2 else 0, part) for place, part in enumerate(parts)]
