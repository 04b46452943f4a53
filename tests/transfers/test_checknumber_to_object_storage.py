"""The export as a DAG author has it, from a task of the sandbox to files that other systems read."""

from __future__ import annotations

import csv
import json
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_checknumber.client import CheckNumberClient, CheckNumberTransientError, Endpoint
from airflow_provider_checknumber.object_storage import StorageError
from airflow_provider_checknumber.results import ArchiveLimits
from airflow_provider_checknumber.sandbox import Sandbox
from airflow_provider_checknumber.transfers.checknumber_to_object_storage import (
    CheckNumberToObjectStorageOperator,
)
from tests.support.s3 import Lake, s3_server

NUMBERS = ["+12025550100", "+12025550101", "+12025550102"]
COLUMNS = ["number", "twitter", "task_type", "checknumber_task_id", "checked_at"]


@pytest.fixture(scope="module", name="lake")
def _lake() -> Iterator[Lake]:
    with s3_server() as lake:
        yield lake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty one."""
    made = tmp_path / "exports"
    made.mkdir()
    return made


def operator(checknumber_task_id: str, path: object, **arguments: Any) -> CheckNumberToObjectStorageOperator:
    return CheckNumberToObjectStorageOperator(
        **{
            "task_id": "export",
            "checknumber_task_id": checknumber_task_id,
            "task_type": "Twitter",
            "path": str(path),
        }
        | arguments
    )


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_result_becomes_one_parquet_file_of_typed_columns(exported: str, folder: Path) -> None:
    counts = operator(exported, folder / "checks").execute({})

    assert files(folder / "checks") == [f"Twitter/{exported}.parquet"]
    table = pq.read_table(counts["uri"])
    assert table.schema.names == COLUMNS
    assert [str(field.type) for field in table.schema] == [
        "string",
        "bool",
        "string",
        "string",
        "timestamp[us, tz=UTC]",
    ]
    rows = table.to_pylist()
    assert sorted(row["number"] for row in rows) == NUMBERS
    assert {(row["task_type"], row["checknumber_task_id"]) for row in rows} == {("Twitter", exported)}
    assert len({row["checked_at"] for row in rows}) == 1


def test_what_is_returned_says_where_it_is_and_what_is_in_it(exported: str, folder: Path) -> None:
    returned = operator(exported, folder).execute({})

    file = folder / "Twitter" / f"{exported}.parquet"
    undetermined = pq.read_table(file).column("twitter").null_count
    assert returned == {
        "uri": str(file),
        "key": str(file),
        "bytes": file.stat().st_size,
        "rows": 3,
        "not_determined": undetermined,
        "malformed": 0,
        "total": 3,
        "success": 3 - undetermined,
        "failure": undetermined,
    }
    assert json.loads(json.dumps(returned)) == returned


def test_all_formats_hold_the_same_rows(exported: str, folder: Path) -> None:
    for file_format in ("parquet", "csv", "jsonl"):
        operator(exported, folder, file_format=file_format).execute({})
    folder = folder / "Twitter"
    expected = pq.read_table(folder / f"{exported}.parquet").to_pylist()

    with (folder / f"{exported}.csv").open(encoding="utf-8", newline="") as stream:
        from_csv = list(csv.DictReader(stream))
    from_json = [json.loads(line) for line in (folder / f"{exported}.jsonl").read_text("utf-8").splitlines()]

    words = {True: "true", False: "false", None: ""}
    moment = expected[0]["checked_at"].isoformat(sep=" ", timespec="microseconds")
    assert from_json == [row | {"checked_at": moment} for row in expected]
    assert from_csv == [row | {"checked_at": moment, "twitter": words[row["twitter"]]} for row in expected]


@pytest.fixture
def of_every_kind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A task whose result has names with commas, quotation marks and line breaks, and many missing answers."""
    numbers = folder / "numbers.txt"
    numbers.write_text("".join(f"+1202555{number:04}\n" for number in range(500)))
    settings = {"result_shape": frozenset({"names"}), "undetermined": 0.5, "queue_seconds": 0}
    with Sandbox(speed=float("inf"), **settings) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        with CheckNumberClient(Endpoint(sandbox.url, sandbox.api_key)) as client:
            task_id = client.submit_task(numbers, "Twitter").task_id
            while client.get_task(task_id).result_url is None:
                time.sleep(0.01)
        numbers.unlink()
        yield task_id


def test_texts_and_answers_survive_every_format(of_every_kind: str, folder: Path) -> None:
    for file_format in ("parquet", "csv", "jsonl"):
        operator(of_every_kind, folder, file_format=file_format).execute({})
    file = folder / "Twitter" / of_every_kind
    expected = pq.read_table(f"{file}.parquet").to_pylist()

    assert {row["twitter"] for row in expected} == {True, False, None}
    assert all(any(mark in (row["name"] or "") for row in expected) for mark in ',"\n')
    same = ["number", "twitter", "name"]
    from_json = pd.read_json(f"{file}.jsonl", lines=True, dtype=dict.fromkeys(same, object))
    from_csv = pd.read_csv(f"{file}.csv", dtype=str)
    from_csv["twitter"] = from_csv["twitter"].map({"true": True, "false": False})
    for read in (from_json, from_csv):
        rows = read.astype(object).where(read.notna(), None)[same].to_dict("records")
        assert rows == [{name: row[name] for name in same} for row in expected]


def test_columns_are_renamed_and_picked_as_a_load_does(exported: str, folder: Path) -> None:
    returned = operator(exported, folder, columns={"twitter": "has_twitter", "task_type": "kind"}).execute({})

    assert pq.read_schema(returned["uri"]).names == [
        "number",
        "has_twitter",
        "kind",
        "checknumber_task_id",
        "checked_at",
    ]


def test_running_it_again_leaves_the_same_file(exported: str, folder: Path) -> None:
    returned = operator(exported, folder).execute({})
    before = Path(returned["uri"]).read_bytes()

    assert operator(exported, folder).execute({}) == returned
    assert Path(returned["uri"]).read_bytes() == before
    assert files(folder) == [f"Twitter/{exported}.parquet"]


def test_a_task_type_that_is_no_folders_name_leads_nowhere_else(exported: str, folder: Path) -> None:
    for task_type in ("..", "../../etc", "a/b c"):
        operator(exported, folder / "in", task_type=task_type).execute({})

    assert files(folder) == [
        f"in/%2E%2E/{exported}.parquet",
        f"in/..%2F..%2Fetc/{exported}.parquet",
        f"in/a%2Fb%20c/{exported}.parquet",
    ]


class TestOnS3:
    @pytest.mark.parametrize("file_format", ["parquet", "csv", "jsonl"])
    def test_the_object_is_where_transfer_operators_are_told(
        self, lake: Lake, exported: str, file_format: str
    ) -> None:
        returned = operator(exported, lake.uri("checks"), file_format=file_format).execute({})

        assert returned["bucket"] == "lake"
        assert returned["key"] == f"checks/Twitter/{exported}.{file_format}"
        assert returned["uri"] == lake.uri(returned["key"])
        assert len(lake.get(returned["key"])) == returned["bytes"]
        assert returned["key"] in lake.listing()

    def test_a_bucket_that_does_not_exist_is_named_and_left_to_a_retry(
        self, lake: Lake, exported: str
    ) -> None:
        with pytest.raises(StorageError, match=r"s3://lake@nowhere/Twitter/.* could not be written"):
            operator(exported, "s3://lake@nowhere").execute({})


class TestNothingIsWritten:
    @pytest.mark.parametrize("kind", ["truncated_archive", "corrupt_archive", "not_a_zip"])
    def test_of_a_damaged_archive_and_an_earlier_file_stays(
        self, sandbox: Sandbox, exported: str, folder: Path, kind: str
    ) -> None:
        uri = operator(exported, folder).execute({})["uri"]
        before = Path(uri).read_bytes()
        sandbox.set_fault(kind, times=None)

        with pytest.raises(AirflowFailException) as caught:
            operator(exported, folder).execute({})
        assert "+1202" not in "".join(traceback.format_exception(caught.value))
        assert Path(uri).read_bytes() == before
        assert len(files(folder)) == 1

    def test_where_the_disk_takes_only_half_of_it(
        self, exported: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = operator(exported, folder).execute({})["uri"]
        before = Path(uri).read_bytes()

        def half(stream: Any, out: Any, length: int) -> None:
            out.write(stream.read()[:100])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("shutil.copyfileobj", half)
        with pytest.raises(StorageError, match="could not be written"):
            operator(exported, folder).execute({})
        assert Path(uri).read_bytes() == before
        assert len(files(folder)) == 1

    def test_of_a_task_that_failed(self, failed: str, folder: Path) -> None:
        with pytest.raises(AirflowFailException, match=f"task {failed} has failed"):
            operator(failed, folder).execute({})
        assert files(folder) == []

    def test_of_a_task_that_is_not_exported_yet_and_a_retry_may_help(self, stuck: str, folder: Path) -> None:
        with pytest.raises(CheckNumberTransientError, match="has no result yet"):
            operator(stuck, folder).execute({})

    def test_of_an_archive_that_answers_too_few(
        self, exported: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = operator(exported, folder)
        found = made.hook.get_task(exported)
        one_more = type(found)(**{**vars(found), "success": 4})
        monkeypatch.setattr(made.hook, "get_task", lambda checknumber_task_id: one_more)

        with pytest.raises(AirflowFailException, match=r"gave 3 rows, but .* identified 4 numbers"):
            made.execute({})
        assert files(folder) == []
        made.allow_shortfall = True
        assert made.execute({})["rows"] == 3


def test_a_storage_without_its_provider_is_named_with_what_to_install(exported: str) -> None:
    with pytest.raises(AirflowFailException, match=r"gs:// .*pip install 'apache-airflow-providers-google'"):
        operator(exported, "gs://bucket/checks").execute({})


def test_parquet_without_pyarrow_says_what_to_install(
    exported: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(AirflowFailException, match=r"pip install 'airflow-provider-checknumber\[parquet\]'"):
        operator(exported, folder).execute({})
    assert operator(exported, folder, file_format="csv").execute({})["rows"] == 3


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (ArchiveLimits(max_bytes=10), "max_bytes"),
        (ArchiveLimits(max_download_bytes=10), "max_download_bytes"),
    ],
)
def test_a_result_beyond_the_limits_given_is_not_written(
    exported: str, folder: Path, limits: ArchiveLimits, named: str
) -> None:
    with pytest.raises(AirflowFailException, match=named):
        operator(exported, folder, archive_limits=limits).execute({})

    assert files(folder) == []


@pytest.mark.parametrize("arguments", [{"on_bad_row": "keep"}, {"file_format": "xml"}])
def test_a_choice_that_is_none_is_refused(exported: str, folder: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"use 'fail' or 'skip'|use 'csv', 'jsonl' or 'parquet'"):
        operator(exported, folder, **arguments).execute({})


def test_one_line_of_the_log_accounts_for_every_row_and_names_none(
    exported: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    operator(exported, folder).execute({})
    log = capfd.readouterr().out

    assert f"Wrote CheckNumber task {exported} to " in log
    assert "rows 3, not_determined" in log
    assert "1202555" not in log
