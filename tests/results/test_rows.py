"""What the cells of a result mean, and what becomes of rows that do not fit."""

from __future__ import annotations

import itertools

import pytest

from airflow_provider_checknumber.results import MalformedRowError, open_results
from airflow_provider_checknumber.text import BLOCK_SIZE
from tests.results.archives import A, B, C, zipped

NAMES = [
    "a,b",
    'say "hi"',
    "two\nlines",
    "two\r\nlines",
    "three\n\nlines",
    "\u2028",
    "x\x0by",
    "名前 🎉",
    "' --",
    "",
]


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def test_account_names_may_hold_anything(read_result):
    text = "number,activated,name\n" + "".join(f"{A},yes,{quoted(name)}\n" for name in NAMES)

    result = read_result(zipped(("all.csv", text)))

    assert [row[2] for row in result.rows] == [name or None for name in NAMES]
    assert result.lines == [2, 3, 4, 6, 8, 11, 12, 13, 14, 15]


def test_the_first_columns_are_typed_whatever_their_order(read_result):
    result = read_result(f"age,Activated,Number\n3,yes,{A}\n,no,{B}\n".encode())

    assert (result.names, result.kinds) == (["number", "age", "activated"], ["number", "text", "boolean"])
    assert result.rows == [(A, "3", True), (B, None, False)]


@pytest.mark.parametrize("word", ["", "unknown", "Undetermined", "maybe", "N/A", "1", "true", "-"])
def test_an_answer_that_is_neither_yes_nor_no_is_not_determined(read_result, word):
    result = read_result(f"Number,twitter\n{A},{word}\n{B}, Yes \n{C},NO\n".encode())

    assert [row[1] for row in result.rows] == [None, True, False]
    assert result.counts.not_determined == 1


@pytest.mark.parametrize(
    ("name", "cells", "task_type", "kind"),
    [
        ("twitter", ["maybe"], None, "boolean"),
        ("HTX", [""], None, "boolean"),
        ("activated", ["1"], None, "boolean"),
        ("vk", ["maybe"], "VK", "boolean"),
        ("vk", ["maybe"], None, "text"),
        ("business", ["yes", "no", "", "unknown"], None, "boolean"),
        ("business", ["No"], None, "boolean"),
        ("business", ["unknown", ""], None, "text"),
        ("business", ["yes", "shop"], None, "text"),
        ("business", [""], None, "text"),
    ],
)
def test_columns_of_answers_are_known_by_name_or_by_what_they_hold(read_result, name, cells, task_type, kind):
    text = f"number,{name}\n" + "".join(f"{A},{cell}\n" for cell in cells)

    assert read_result(text.encode(), task_type=task_type).kinds[1] == kind


def test_words_that_only_come_later_are_told_and_not_taken_for_no(read_result, caplog):
    many = BLOCK_SIZE // len(f"{A},yes\n") + 10
    text = "number,business\n" + f"{A},yes\n" * many + f"{A},shop\n"

    result = read_result(text.encode())

    assert result.rows[-1] == (A, None)
    assert "business" in caplog.text
    assert "not determined" in caplog.text
    assert "shop" not in caplog.text


def test_not_determined_is_counted_by_the_column_that_the_task_was_about(read_result):
    text = f"number,business,activated,vk\n{A},yes,,no\n{B},yes,yes,\n{C},no,,\n"

    assert read_result(text.encode(), task_type="vk").counts.not_determined == 2
    assert read_result(text.encode(), task_type="other").counts.not_determined == 2
    assert read_result(f"number,x,y\n{A},yes,\n{B},,no\n{B},,\n".encode()).counts.not_determined == 2
    assert read_result(f"number,age\n{A},\n".encode()).counts.not_determined == 0


def test_a_value_that_is_no_number_stays_as_it_is(read_result):
    values = ["someone@example.com", "+1 202", "0532", "1", "1234567890123456", A]

    result = read_result(("number,x\n" + "".join(f"{value},\n" for value in values)).encode())

    assert [row[0] for row in result.rows] == values


def test_a_line_break_in_place_of_a_number_does_not_make_two(read_result):
    result = read_result(b'number,x\n12,a\n"13\n14",b\n15,c\n')

    assert result.rows == [("+12", "a"), ("13\n14", "b"), ("+15", "c")]


def test_names_of_columns_are_made_distinct(read_result):
    result = read_result(f"Number,name,Name,,number,NAME_2\n{A},a,b,c,{B},d\n".encode())

    assert result.names == ["number", "name", "name_2", "column_4", "number_2", "name_2_2"]
    assert result.rows == [(A, "a", "b", "c", B, "d")]


def test_names_of_columns_can_be_shown(read_result):
    content = b"number,a\0b\x1b[31m,\xff\n" + A.encode() + b",1,2\n"

    assert read_result(content).names == ["number", "a_b_[31m", "\ufffd"]


BAD_ROWS = {
    "too short": f"{A}\n",
    "too long": f"{A},yes,x,more\n",
    "no number": ",yes,x\n",
    "spaces for a number": " ,yes,x\n",
    "NUL": f"{A},yes,a\0b\n",
    "no UTF-8": f"{A},yes,".encode() + b"\xff\n",
    "misplaced quotation mark": f'{A},yes,"a"b\n',
    "carriage return": f"{A},yes,a\rb\n",
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
@pytest.mark.parametrize("quotes", ["", '"'], ids=["plain", "quoted"])
def test_a_row_that_does_not_fit_fails_by_its_line_or_is_skipped_and_counted(read_result, bad, quotes):
    bad = bad if isinstance(bad, bytes) else bad.encode()
    good = f"{A},yes,{quotes}x{quotes}\n".encode()
    content = zipped(("all.csv", b"number,activated,name\n" + good * 3 + bad + good * 2))

    with pytest.raises(MalformedRowError, match=r"^Line 5 of all\.csv") as caught:
        read_result(content)
    assert caught.value.line == 5
    assert A[1:] not in str(caught.value)

    result = read_result(content, on_bad_row="skip")
    assert result.rows == [(A, True, "x")] * 5
    assert result.lines == [2, 3, 4, 6, 7]
    assert (result.counts.rows_read, result.counts.malformed) == (6, 1)


def test_the_first_of_several_bad_rows_is_named(read_result):
    with pytest.raises(MalformedRowError, match="Line 3 "):
        read_result(f"number,x\n{A},\n,y\n{A}\n".encode())


def test_a_mark_left_open_is_never_skipped_for_nobody_knows_what_it_swallowed(read_result):
    text = f'number,name\n{A},x\n{B},"open\n{C},y\n{A},z\n'

    with pytest.raises(MalformedRowError, match=r"line 3 .* quotation mark"):
        read_result(text.encode(), on_bad_row="skip")


def test_a_mark_within_a_plain_cell_is_part_of_it(read_result):
    text = f'number,name\n{A},5" pipe\n{B},x\n{C},"y"\n'

    assert [row[1] for row in read_result(text.encode()).rows] == ['5" pipe', "x", "y"]


def test_header_rows_in_between_are_no_data(read_result):
    result = read_result(f"Number,a\n{A},1\nNumber,a\nnumber,A\n{B},2\n".encode())

    assert result.rows == [(A, "1"), (B, "2")]
    assert result.lines == [2, 5]
    assert result.counts.rows_read == 2


def test_batches_have_at_most_so_many_rows_and_lose_none(read_result):
    text = "number,activated\n" + "".join(f"+1202555{n:04d},yes\n" for n in range(1_000))

    result = read_result(text.encode(), max_rows=64)

    assert [len(batch) for batch in result.batches] == [64] * 15 + [40]
    assert [row[0] for row in result.rows] == [f"+1202555{n:04d}" for n in range(1_000)]
    assert result.lines == list(range(2, 1_002))


def test_a_table_can_be_read_again_from_its_beginning(tmp_path):
    (tmp_path / "x").write_text(f"number,activated\n{A},\n{B},no\n")

    with open_results(tmp_path / "x") as table:
        first = [batch.columns for batch in table.batches()]
        assert next(table.batches()).columns == first[0]
        assert [batch.columns for batch in table.batches()] == first
        assert (table.counts.rows_read, table.counts.not_determined) == (2, 1)


def test_a_table_without_rows_has_columns_all_the_same(read_result):
    result = read_result(b"number,twitter,age\n")

    assert (result.kinds, result.rows) == (["number", "boolean", "text"], [])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_rows_across_blocks_stay_whole(read_result, newline):
    names = itertools.cycle(["plain", 'q"q', "a\nb", "c,d", "e\n\n\nf"])
    rows = [(f"+1202{n:07d}", n % 3 == 0, next(names) * (1 + n % 40)) for n in range(16_000)]
    text = newline.join(
        ["number,activated,name", *(f"{n},{'yes' if a else 'no'},{quoted(name)}" for n, a, name in rows)]
    )
    assert len(text) > 4 * BLOCK_SIZE

    result = read_result(zipped(("all.csv", text)))

    assert result.rows == rows
    height = [1 + name.count("\n") for _, _, name in rows]
    assert result.lines == list(itertools.accumulate(height[:-1], initial=2))


def test_an_unknown_way_with_bad_rows_is_refused(read_result):
    with pytest.raises(ValueError, match="on_bad_row"):
        read_result(b"number\n1\n", on_bad_row="ignore")


def test_a_blank_line_of_a_table_of_one_column_is_no_row_wherever_it_stands(read_result):
    for blank in ("  ", '""', ""):
        result = read_result(f"number\n{A}\n{blank}\n{B}\n".encode())

        assert (result.rows, result.counts.malformed) == ([(A,), (B,)], 0)
