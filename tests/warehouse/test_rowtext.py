"""Lines of text as the databases read them: the quick way gives what the plain way gives."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_checknumber.warehouse.columns import LoadColumn
from airflow_provider_checknumber.warehouse.rowtext import BACKSLASHED, QUOTED, RowText

KINDS = st.lists(st.sampled_from(["boolean", "text"]), max_size=4)
TEXTS = st.one_of(
    st.none(),
    st.text(alphabet=st.sampled_from('a\t\n\r\\N",é '), max_size=6),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6),
)


def layout(kinds: list[str]) -> list[LoadColumn]:
    columns = [LoadColumn(role="number", name="number", kind="number", source=0)]
    for place, kind in enumerate(kinds, 1):
        columns.append(LoadColumn(role=f"c{place}", name=f"c{place}", kind=kind, source=place))  # type: ignore[arg-type]
    return columns


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[LoadColumn], list[list[object]]]:
    columns = layout(draw(KINDS))
    rows = draw(st.integers(1, 5))
    numbers: list[object] = [f"+9053{place:08d}" for place in range(rows)]
    answers = st.sampled_from([True, False, None])
    others = [
        [draw(answers if column.kind == "boolean" else TEXTS) for _ in range(rows)] for column in columns[1:]
    ]
    return columns, [numbers, *others]


def unescaped(value: str) -> str | None:
    if value == "\\N":
        return None
    for written, meant in (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r")):
        value = "\\\\".join(part.replace(written, meant) for part in value.split("\\\\"))
    return value.replace("\\\\", "\\")


@given(batches())
def test_backslashed_lines_read_back_as_the_values(
    case: tuple[list[LoadColumn], list[list[object]]],
) -> None:
    columns, batch = case
    text = RowText(BACKSLASHED, columns, ["a\tb", "c"], booleans=lambda _: ("t", "f"))
    lines = b"".join(text.chunks([batch])).decode().split("\n")

    assert lines.pop() == ""
    words = {True: "t", False: "f", None: None}
    expected = [
        [
            words[value] if column.kind == "boolean" else value
            for column, value in zip(columns, row, strict=True)
        ]  # type: ignore[index]
        for row in zip(*batch, strict=True)
    ]
    assert [[unescaped(cell) for cell in line.split("\t")] for line in lines] == [
        [*row, "a\tb", "c"] for row in expected
    ]


@given(batches())
def test_quoted_lines_read_back_as_the_values(case: tuple[list[LoadColumn], list[list[object]]]) -> None:
    columns, batch = case
    text = RowText(QUOTED, columns, booleans=lambda _: ("true", "false"))
    written = b"".join(text.chunks([batch])).decode()

    read = list(csv.reader(io.StringIO(written, newline=""), delimiter="\t", strict=True))
    words = {True: "true", False: "false", None: "\\N"}
    expected = [
        [
            words[value] if column.kind == "boolean" or value is None else value  # type: ignore[index]
            for column, value in zip(columns, row, strict=True)
        ]
        for row in zip(*batch, strict=True)
    ]
    assert read == expected
