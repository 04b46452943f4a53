"""
Files by path or URI, on a worker's disk or on any object storage that Airflow knows.

The one place that knows ``ObjectStoragePath``. Not for what is in the files.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_checknumber.client import CheckNumberPermanentError, CheckNumberTransientError

#: A place for one file: both open themselves and take ``/``. With universal-pathlib before 0.3, which Airflow 2.11 and
#: 3.1 ask for, an ``ObjectStoragePath`` is a ``Path``, too.
Location: TypeAlias = Path | ObjectStoragePath

#: Where the file systems come from that people ask for most.
_PROVIDERS = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "gcs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
    "adl": "apache-airflow-providers-microsoft-azure",
}


class StorageSetupError(CheckNumberPermanentError):
    """A URI leads to a storage that this worker cannot use as it is set up."""


class StorageError(CheckNumberTransientError):
    """A storage did not take or give a file; it may the next time."""


def locate(path: str | Location) -> Location:
    """
    Return the place that a path or a URI names, which need not exist.

    ``s3://aws_default@bucket/key`` names Airflow's connection before the ``@``.

    :param path: ``/data/numbers.txt``, ``file:///data/numbers.txt``, ``s3://bucket/key``, or what was
        located before.
    :raises StorageSetupError: there is no file system for such a URI here.
    """
    if not isinstance(path, str):
        return path
    parts = urlsplit(path)
    if "://" not in path:
        return Path(path)
    if parts.scheme == "file":
        # Airflow 3.0 refuses these; they need nothing of Airflow's either.
        return Path(unquote(parts.path))
    try:
        located = ObjectStoragePath(path)
        located.fs  # noqa: B018 - made when first asked for, from the connection
    except (ValueError, TypeError, ImportError) as error:
        provider = _PROVIDERS.get(parts.scheme)
        advice = f"pip install '{provider}'" if provider else "install the Airflow provider for it"
        raise StorageSetupError(
            f"There is no usable file system for {parts.scheme}:// on this worker ({type(error).__name__}): {advice}."
        ) from None
    return located


def file_to_open(path: str | Location) -> Path | RemoteFile:
    """
    Return a file that opens itself, wherever it is.

    :raises StorageSetupError: there is no file system for the URI here.
    """
    located = locate(path)
    return RemoteFile(located) if isinstance(located, ObjectStoragePath) else located


def bucket_and_key(location: Location) -> tuple[str | None, str]:
    """Return what transfer operators ask for: the bucket, None on a disk, and the path within."""
    if not isinstance(location, ObjectStoragePath):
        return None, str(location)
    bucket, _, key = str(location.path).lstrip("/").partition("/")
    return bucket, key


def put_file(source: Path, target: Location) -> None:
    """
    Write a file so that whoever reads ``target`` sees what was there before, or all of the new file.

    On object storage that is how an upload works. A disk gets a copy beside the target, then a rename.

    :param source: the complete file.
    :param target: where it goes; folders are made.
    :raises StorageError: the storage did not take it.
    """
    try:
        if isinstance(target, ObjectStoragePath):
            target.fs.put_file(str(source), target.path)
        else:
            _put_on_disk(source, target)
    except Exception as error:
        raise StorageError(
            f"{target} could not be written ({type(error).__name__}): what was there before is still there. "
            "See the cause above, then run the task again."
        ) from error


def _put_on_disk(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with copy.open("xb") as out, source.open("rb") as stream:
            shutil.copyfileobj(stream, out, 1 << 20)
        copy.replace(target)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


class RemoteFile:
    """
    A file on object storage as something to read or write, whose faults say that they may pass.

    What reads local files takes their faults for lasting ones.

    :param location: where it is.
    """

    def __init__(self, location: ObjectStoragePath) -> None:
        self._location: Any = location

    def __str__(self) -> str:
        """Return the URI."""
        return str(self._location)

    def open(self, mode: str, /) -> Any:
        """
        Open it.

        :param mode: ``"rb"`` or ``"wb"``.
        :raises FileNotFoundError: there is none to read.
        :raises StorageError: the storage did not open it.
        """
        try:
            return _RemoteStream(self._location.open(mode), str(self))
        except FileNotFoundError:
            raise
        except Exception as error:
            raise _did_not(f"open {self}", error) from error


class _RemoteStream:
    """A binary stream; what it cannot do itself, the one within does."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _RemoteStream:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def read(self, size: int = -1, /) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except Exception as error:
            raise _did_not(f"read {self._name}", error) from error

    def close(self) -> None:
        try:
            self._stream.close()
        except Exception as error:
            raise _did_not(f"close {self._name}", error) from error


def _did_not(do: str, error: Exception) -> StorageError:
    return StorageError(f"The storage did not {do} ({type(error).__name__}); run the task again.")
