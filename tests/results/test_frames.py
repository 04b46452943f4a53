"""Results as pandas frames."""

from __future__ import annotations

import pandas as pd
import pytest

from airflow_provider_checknumber.results import MalformedRowError, iter_frames, open_results, read_frame
from tests.results.archives import A, B, C


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "result"

    def opened(text: str) -> object:
        path.write_text(text)
        return open_results(path, task_type="Twitter")

    return opened


def test_columns_have_the_dtypes_of_what_they_hold(result):
    with result(f"Number,twitter,age\n{A},yes,34\n{B},,\n{C},no,x\n") as table:
        frame = read_frame(table)

    assert frame.dtypes.astype(str).to_dict() == {"number": "string", "twitter": "boolean", "age": "string"}
    assert frame["number"].tolist() == [A, B, C]
    assert frame["twitter"].tolist() == [True, pd.NA, False]
    assert frame["age"].tolist() == ["34", pd.NA, "x"]
    assert frame.index.tolist() == [0, 1, 2]


def test_not_determined_is_never_counted_as_no(result):
    with result(f"Number,twitter\n{A},\n{B},unknown\n{C},no\n") as table:
        assert (~read_frame(table)["twitter"]).sum() == 1


def test_frames_have_at_most_so_many_rows_and_one_index(result):
    text = "number,twitter\n" + "".join(f"+1202555{n:04d},yes\n" for n in range(100))

    with result(text) as table:
        frames = list(iter_frames(table, chunk_rows=30))

    assert [len(frame) for frame in frames] == [30, 30, 30, 10]
    assert pd.concat(frames).index.tolist() == list(range(100))


def test_a_result_without_rows_is_a_frame_without_rows(result):
    with result("number,twitter,age\n") as table:
        frame = read_frame(table)

    assert len(frame) == 0
    assert [str(dtype) for dtype in frame.dtypes] == ["string", "boolean", "string"]


def test_bad_rows_fail_or_are_skipped_as_asked(result):
    with result(f"number,twitter\n{A}\n{B},yes\n") as table:
        with pytest.raises(MalformedRowError):
            read_frame(table)
        assert len(read_frame(table, on_bad_row="skip")) == 1
        assert table.counts.malformed == 1
