"""
Names of tables and columns: taken apart here, put into SQL here and nowhere else.

A name is data. Whatever it holds, it reaches the database as one quoted identifier, so a hostile
name can at worst not be found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_checknumber.warehouse.errors import TableError

#: Stands for one parameter in the SQL of this package until a loader puts its driver's own
#: placeholder there. No identifier can hold it, so a name with ``%s`` or ``?`` in it stays a name.
PARAM = "\0"

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class TableName:
    """
    A table's name in its parts, outermost first: ``("reporting", "checks")``.

    :param parts: one to three names: table, schema and table, or catalogue, schema and table.
    """

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> TableName:
        """
        Read ``table``, ``schema.table`` or ``catalogue.schema.table``.

        A part that holds a dot is written in double quotes: ``reporting."checks.2025"``.

        :raises TableError: when the text is no such name.
        """
        parts: list[str] = []
        position = 0
        while match := _PART.match(text, position):
            quoted, plain = match.groups()
            parts.append(quoted.replace('""', '"') if quoted is not None else plain)
            position = match.end()
            if position == len(text):
                break
            if text[position] != ".":
                position = -1
                break
            position += 1
        if position != len(text) or not 1 <= len(parts) <= 3:
            raise TableError(
                f"{text!r} is not a table's name: give table, schema.table or catalogue.schema.table, "
                'with double quotes around a part that holds a dot ("checks.2025").'
            )
        for part in parts:
            check_identifier(part)
        return cls(tuple(parts))

    @property
    def table(self) -> str:
        """The innermost part."""
        return self.parts[-1]

    @property
    def schema(self) -> str | None:
        """The part before the table, or None for the connection's own schema."""
        return self.parts[-2] if len(self.parts) > 1 else None

    def __str__(self) -> str:
        """Return the name as a person writes it."""
        return ".".join(self.parts)


def check_identifier(name: str) -> str:
    """
    Return the name if a database can hold it at all.

    :raises TableError: for an empty name, or one with control characters (no database takes a NUL,
        and a line break in a name is a mistake or an attack).
    """
    if not name.strip() or _CONTROL.search(name):
        raise TableError(f"{name!r} cannot be the name of a table or a column: it is empty or not printable.")
    return name


def quote(name: str, opening: str = '"', closing: str = '"') -> str:
    """Return the name as an identifier in the given quotes, which are doubled inside of it."""
    return f"{opening}{name.replace(closing, closing * 2)}{closing}"
