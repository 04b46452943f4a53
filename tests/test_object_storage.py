"""Files by path or URI: where one leads, and what a reader of the other file sees while one is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from airflow_provider_checknumber.object_storage import (
    RemoteFile,
    StorageError,
    StorageSetupError,
    bucket_and_key,
    file_to_open,
    locate,
    put_file,
)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("/data/a b.txt", "/data/a b.txt"),
        ("numbers.txt", "numbers.txt"),
        ("file:///data/a%20b.txt", "/data/a b.txt"),
        ("/data/50%25 off.txt", "/data/50%25 off.txt"),
    ],
)
def test_a_place_on_the_disk_is_a_path_however_it_is_written(written, place):
    assert locate(written) == Path(place)
    assert file_to_open(written) == Path(place)
    assert bucket_and_key(Path(place)) == (None, place)


def test_what_was_located_stays_where_it_is():
    located = locate("s3://bucket/a/b.txt")

    assert locate(located) is located
    assert isinstance(file_to_open(located), RemoteFile)
    assert bucket_and_key(located) == ("bucket", "a/b.txt")


def test_an_unknown_storage_is_told_at_once():
    with pytest.raises(StorageSetupError, match=r"nowhere:// .* install the Airflow provider"):
        locate("nowhere://bucket/key")


def test_a_new_file_has_the_rights_of_any_other_and_its_folders_are_made(tmp_path):
    source, target, other = tmp_path / "source", tmp_path / "a" / "b", tmp_path / "other"
    source.write_text("new")
    other.touch()
    put_file(source, target)

    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    assert os.listdir(target.parent) == ["b"]


def test_a_reader_keeps_the_file_that_it_opened(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    target.write_text("old")
    source.write_text("new")
    with target.open() as reader:
        put_file(source, target)

        assert reader.read() == "old"
    assert target.read_text() == "new"


def test_a_target_that_cannot_be_written_is_named(tmp_path):
    source = tmp_path / "source"
    source.write_text("new")

    with pytest.raises(
        StorageError, match=r"source/target could not be written \((FileExists|NotADirectory)Error\)"
    ):
        put_file(source, source / "target")
