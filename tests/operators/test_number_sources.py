"""Where the submit operator takes numbers from, and what it makes of them, as a DAG author has it."""

from __future__ import annotations

import gzip
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_checknumber.object_storage import StorageError
from airflow_provider_checknumber.operators.checknumber import CheckNumberSubmitOperator
from airflow_provider_checknumber.sandbox import Sandbox
from tests.support.s3 import Lake, s3_server
from tests.support.task_instance import TaskInstance

pytestmark = pytest.mark.usefixtures("airflow_db")

NUMBERS = [f"+1202555{number:04}" for number in range(25)]
LINES = "".join(f"{number}\n" for number in NUMBERS).encode()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(speed=float("inf"), queue_seconds=0) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(scope="module", name="lake")
def _lake() -> Iterator[Lake]:
    with s3_server() as lake:
        yield lake


def operator(number_file: Any, **arguments: Any) -> CheckNumberSubmitOperator:
    return CheckNumberSubmitOperator(
        task_id="submit", number_file=number_file, **{"task_type": "Twitter"} | arguments
    )


def submit(number_file: Any, task: TaskInstance | None = None, **arguments: Any) -> Any:
    return operator(number_file, **arguments).execute((task or TaskInstance()).context)


def charged(sandbox: Sandbox) -> list[int]:
    """How many numbers each submission was billed for, in their order."""
    return [charge["numbers"] for charge in sandbox.state()["charges"]]


class TestPlaces:
    def test_a_file_uri_is_read_like_its_path(self, sandbox: Sandbox, tmp_path: Path) -> None:
        file = tmp_path / "a list.txt"
        file.write_bytes(LINES)
        submit(str(file))
        submit(file.as_uri())

        assert charged(sandbox) == [25, 25]

    def test_object_storage_is_read_by_the_connection_of_its_uri(self, sandbox: Sandbox, lake: Lake) -> None:
        uri = lake.put(
            "customers/2025-11-21.csv.gz", gzip.compress(b"id,phone\n1,+12025550100\n2,+12025550101\n")
        )
        submit(uri, column="phone")

        assert charged(sandbox) == [2]

    def test_parquet_on_object_storage_is_read_in_place(
        self, sandbox: Sandbox, lake: Lake, tmp_path: Path
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = tmp_path / "numbers.parquet"
        pq.write_table(pa.table({"id": list(range(25)), "phone": NUMBERS}), file)
        submit(lake.put("numbers.parquet", file.read_bytes()), column="phone")

        assert charged(sandbox) == [25]

    def test_a_list_from_another_tasks_xcom_is_submitted(self, sandbox: Sandbox) -> None:
        submit(NUMBERS)

        assert charged(sandbox) == [25]

    def test_a_list_that_a_template_made_a_text_of_is_refused_unseen(self, sandbox: Sandbox) -> None:
        with pytest.raises(AirflowFailException, match="template has made a text") as caught:
            submit(str(NUMBERS))
        assert "+1202" not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize("uri", ["s3://lake@lake/none.txt", "/none.txt", "file:///none.txt"])
    def test_a_file_that_is_not_there_is_named(self, sandbox: Sandbox, lake: Lake, uri: str) -> None:
        with pytest.raises(AirflowFailException, match=r"no number file .*none\.txt"):
            submit(uri)

    def test_a_storage_that_is_away_is_left_to_a_retry(
        self, sandbox: Sandbox, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = lake.put("numbers.txt", LINES)

        def away(*arguments: object, **keywords: object) -> None:
            raise OSError("connection reset")

        monkeypatch.setattr("s3fs.core.S3File._fetch_range", away)
        with pytest.raises(StorageError, match=r"did not read s3://lake@lake/numbers\.txt"):
            submit(uri)
        monkeypatch.undo()

    def test_a_storage_without_its_provider_is_named_with_what_to_install(self, sandbox: Sandbox) -> None:
        with pytest.raises(AirflowFailException, match="pip install 'apache-airflow-providers-google'"):
            submit("gs://bucket/numbers.txt")


class TestWhatIsMadeOfThem:
    def test_national_writing_becomes_e164_and_repeated_numbers_go(self, sandbox: Sandbox) -> None:
        task = TaskInstance()
        submit(["0532 123 45 67", "+90 (532) 123-45-67", "0090 532 123 45 68"], task, default_region="TR")

        assert charged(sandbox) == [2]
        assert task.xcoms["counts"] == {"numbers": 2, "duplicates": 1, "invalid": 0}

    def test_skipped_lines_go_to_a_rejects_file_on_object_storage(self, sandbox: Sandbox, lake: Lake) -> None:
        task = TaskInstance()
        submit(["+12025550100", "n/a"], task, on_invalid="skip", rejects_file=lake.uri("rejects.csv"))

        assert lake.get("rejects.csv") == b"line,reason,value\n2,not an E.164 number,n/a\n"
        assert task.xcoms["counts"] == {"numbers": 1, "duplicates": 0, "invalid": 1}

    def test_addresses_are_kept_for_the_task_types_that_take_them(self, sandbox: Sandbox) -> None:
        submit(["somebody@example.org"], on_invalid="keep", task_type="mail")

        assert charged(sandbox) == [1]

    def test_another_encoding_is_read_where_it_is_named(self, sandbox: Sandbox, tmp_path: Path) -> None:
        file = tmp_path / "numbers.txt"
        file.write_bytes(LINES.decode().encode("utf-16-le"))
        submit(str(file), encoding="utf-16-le")

        assert charged(sandbox) == [25]

    def test_more_than_max_numbers_are_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(AirflowFailException, match="25 numbers, more than max_numbers=24"):
            submit(NUMBERS, max_numbers=24)
        assert charged(sandbox) == []


class TestBatches:
    def test_a_list_becomes_several_tasks_and_their_ids_are_returned(self, sandbox: Sandbox) -> None:
        ids = submit(NUMBERS, batch_size=10, min_batch_size=6)

        assert charged(sandbox) == [10, 15]
        assert [charge["task_id"] for charge in sandbox.state()["charges"]] == ids
        assert json.loads(json.dumps(ids)) == ids

    def test_one_batch_is_a_list_too(self, sandbox: Sandbox) -> None:
        assert len(submit(NUMBERS, batch_size=1000)) == 1

    def test_a_retry_goes_on_with_the_first_that_was_not_accepted(self, sandbox: Sandbox) -> None:
        task = TaskInstance()
        sandbox.set_fault("min_batch", numbers=6, times=None)
        with pytest.raises(AirflowFailException, match="batch"):
            submit(NUMBERS, task, batch_size=10)
        assert charged(sandbox) == [10, 10]

        sandbox.clear_faults()
        # In another order, as a query without ORDER BY may give them.
        ids = submit(NUMBERS[::-1], task, batch_size=10)
        assert charged(sandbox) == [10, 10, 5]
        assert [charge["task_id"] for charge in sandbox.state()["charges"]] == ids
        assert submit(NUMBERS, task, batch_size=10) == ids
        assert charged(sandbox) == [10, 10, 5]

    def test_waiting_for_several_in_the_task_itself_is_refused(self) -> None:
        with pytest.raises(ValueError, match="map a sensor over their ids"):
            operator(NUMBERS, batch_size=10, wait_for_completion=True)


def test_a_retry_sends_a_list_from_object_storage_once(sandbox: Sandbox, lake: Lake) -> None:
    task, uri = TaskInstance(), lake.put("numbers.txt", LINES)

    assert submit(uri, task) == submit(uri, task)
    assert charged(sandbox) == [25]


def test_a_choice_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="use 'fail', 'skip' or 'keep'"):
        operator(NUMBERS, on_invalid="drop")
