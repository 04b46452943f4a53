"""
Which values of a load go into which columns of the table.

A load's columns are those of the result, renamed and picked as the user wishes, and three that are the
same on every row: the task type, the service's task id, and when the check was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from airflow_provider_checknumber.warehouse.errors import TableError
from airflow_provider_checknumber.warehouse.names import check_identifier

#: What a column holds: an E.164 number (or, for a few task types, an e-mail address); yes, no or not
#: determined; any text; a short name that is looked up; a moment.
Kind = Literal["number", "boolean", "text", "name", "timestamp"]

#: What a column of an existing table can hold. ``other`` is anything else, or not known.
Family = Literal["boolean", "number", "text", "other"]

NUMBER = "number"
TASK_TYPE = "task_type"
CHECKNUMBER_TASK_ID = "checknumber_task_id"
CHECKED_AT = "checked_at"

_BOOLEANS: dict[Family, dict[bool | None, Any]] = {
    "text": {True: "true", False: "false"},
    "number": {True: 1, False: 0},
}

#: Rows in columns: one list a column, all equally long.
Batch = list[list[Any]]


class SourceColumn(Protocol):
    """A column as the result has it; ``results.ResultColumn`` is one."""

    @property
    def name(self) -> str:
        """Its name, lower-cased."""

    @property
    def kind(self) -> Literal["number", "boolean", "text"]:
        """What it holds; one column of a result holds the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """
    The check whose result is loaded: what is the same on all of its rows.

    :param task_type: the service's name of the check, e.g. ``Twitter``, or None where it is not known.
    :param checknumber_task_id: the service's task id.
    :param checked_at: when the check was made; the same on every load of it.
    """

    task_type: str | None
    checknumber_task_id: str
    checked_at: datetime

    def __post_init__(self) -> None:
        """Hold ``checked_at`` in UTC, so that every database compares it alike."""
        object.__setattr__(self, "checked_at", self.checked_at.astimezone(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadColumn:
    """
    A column of the load.

    :param role: what it is: the result's name for it, or one of the three fixed ones.
    :param name: its name in the table.
    :param kind: what it holds.
    :param source: its place in a batch, or None where it is the same on every row.
    :param constant: its value on every row, where ``source`` is None.
    :param stored: what the table's column holds, which decides how yes and no are written into it.
    """

    role: str
    name: str
    kind: Kind
    source: int | None = None
    constant: Any = None
    stored: Family = "other"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a load: those that vary in the order of the result, then those that do not."""

    varying: tuple[LoadColumn, ...]
    fixed: tuple[LoadColumn, ...]

    @classmethod
    def plan(
        cls, result: Sequence[SourceColumn], check: Check, names: Mapping[str, str] | None = None
    ) -> Layout:
        """
        Lay out a load.

        :param result: the result's columns, in the order of its batches.
        :param check: gives the fixed columns their values.
        :param names: result column to table column. Where it names a result column, those that it does
            not name are left out, except the number. The fixed columns can be renamed too, and stay.
        :raises TableError: when it names a column that the result lacks, or two get the same name.
        """
        wanted = dict(names or {})
        fixed = {
            TASK_TYPE: (check.task_type, "name"),
            CHECKNUMBER_TASK_ID: (check.checknumber_task_id, "name"),
            CHECKED_AT: (check.checked_at, "timestamp"),
        }
        roles = {NUMBER if column.kind == "number" else column.name: column for column in result}
        if len(roles) < len(result):
            raise TableError(f"The result names a column twice; it has {', '.join(c.name for c in result)}.")
        if unknown := sorted(set(wanted) - set(roles) - set(fixed)):
            raise TableError(
                f"columns names {', '.join(map(repr, unknown))}, which the result does not have: "
                f"it has {', '.join(map(repr, roles))}."
            )
        picks = wanted.keys() - fixed.keys() - {NUMBER}
        varying = tuple(
            LoadColumn(role=role, name=wanted.get(role, role), kind=column.kind, source=place)
            for place, (role, column) in enumerate(roles.items())
            if not picks or role in picks or role == NUMBER
        )
        layout = cls(
            varying,
            tuple(
                LoadColumn(role=role, name=wanted.get(role, role), kind=kind, constant=value)  # type: ignore[arg-type]
                for role, (value, kind) in fixed.items()
            ),
        )
        layout._check_names()
        return layout

    def _check_names(self) -> None:
        seen: set[str] = set()
        for column in self.all:
            if check_identifier(column.name).casefold() in seen:
                raise TableError(
                    f"Two columns of the load would be called {column.name!r}: "
                    f"rename one with columns={{{column.role!r}: …}}."
                )
            seen.add(column.name.casefold())

    @property
    def all(self) -> tuple[LoadColumn, ...]:
        """All columns, the varying ones first."""
        return self.varying + self.fixed

    def named(self, role: str) -> LoadColumn | None:
        """Return the column that plays this role, or None where the load has none."""
        return next((column for column in self.all if column.role == role), None)

    def without(self, roles: set[str]) -> Layout:
        """Return the layout without the columns of these roles."""
        return Layout(
            tuple(column for column in self.varying if column.role not in roles),
            tuple(column for column in self.fixed if column.role not in roles),
        )

    def fitted(self, names: Mapping[str, str], families: Mapping[str, Family]) -> Layout:
        """
        Return the layout as the table has it.

        :param names: the table's own spelling of its column names, by role.
        :param families: what those columns hold, by role.
        """

        def fit(columns: tuple[LoadColumn, ...]) -> tuple[LoadColumn, ...]:
            return tuple(
                replace(column, name=names[column.role], stored=families[column.role]) for column in columns
            )

        return Layout(fit(self.varying), fit(self.fixed))

    def pick(self, batch: Batch) -> Batch:
        """Return the varying columns of a batch, in their order."""
        return [batch[column.source] for column in self.varying if column.source is not None]

    def native(self, batch: Batch) -> Batch:
        """Return a picked batch with yes and no as the table's columns hold them: true, 1 or ``"true"``."""
        return [
            list(map(_BOOLEANS[column.stored].get, values))
            if column.kind == "boolean" and column.stored in _BOOLEANS
            else values
            for column, values in zip(self.varying, batch, strict=True)
        ]
