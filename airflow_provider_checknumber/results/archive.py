"""
A downloaded result opened as what it is, zip or plain file, with nothing in it believed.

Members are read as streams and never extracted, so that a name in the archive is only a name. Every
byte that comes out is counted against the limits, sizes and check sums are compared at the end. Not for
deciding which member is the table: see :mod:`.choice`.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from airflow_provider_checknumber.results.errors import (
    ArchiveLimitError,
    UnreadableArchiveError,
    UnsafeArchiveError,
    shown,
)
from airflow_provider_checknumber.text import BLOCK_SIZE

_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ENCRYPTED = 0x1
# zipfile unpacks these in bounded steps; of its other methods it unpacks all that a step's input yields.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The ratio says nothing of a small member: a few rows can all be alike.
_RATIO_FREE = 4 << 20
# What zipfile raises for bytes that are no zip, or not the one that its directory describes.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """
    What a result may cost to download and to read.

    :param max_download_bytes: bytes of the download itself, default 8 GiB.
    :param max_bytes: bytes that come out of one member, default 16 GiB. They are streamed, so this
        bounds time, not memory; only a spreadsheet within a zip is held on disk.
    :param max_ratio: bytes out for each byte in, default 200. Tables of numbers come to about 10.
    :param max_members: entries in a zip, default 1,000.
    :param max_columns: columns of a table, default 1,000.
    :param max_spreadsheet_bytes: unpacked bytes of a spreadsheet, default 2 GiB.
    """

    max_download_bytes: int = 8 << 30
    max_bytes: int = 16 << 30
    max_ratio: int = 200
    max_members: int = 1_000
    max_columns: int = 1_000
    max_spreadsheet_bytes: int = 2 << 30


@dataclass(frozen=True)
class Member:
    """
    One file of an archive, or the download itself where it is no zip.

    :param name: its name, made fit to be shown; ``info`` has it as it is.
    :param size: bytes it has unpacked, as the archive says.
    :param info: its entry in the zip, None where the download is the file.
    """

    name: str
    size: int
    info: zipfile.ZipInfo | None = None

    @property
    def stem(self) -> str:
        """The name without folders and without its last suffix, in small letters."""
        return self.name.rpartition("/")[2].rpartition(".")[0].lower()

    @property
    def suffix(self) -> str:
        """The last suffix with its dot, in small letters."""
        return "." + self.name.rpartition(".")[2].lower()


class Archive:
    """
    The members of a download; made by :func:`open_archive`.

    :param path: the downloaded file.
    :param members: its files, without folders and the droppings of operating systems.
    :param limits: what reading it may cost.
    :param zipped: the open zip, None where the download is a plain file.
    """

    def __init__(
        self, path: Path, members: list[Member], limits: ArchiveLimits, zipped: zipfile.ZipFile | None
    ) -> None:
        self.path = path
        self.members = members
        self.limits = limits
        self._zip = zipped

    @property
    def is_zip(self) -> bool:
        """Whether the download is a zip."""
        return self._zip is not None

    @contextmanager
    def open(self, member: Member) -> Iterator[MemberStream]:
        """
        Open a member for reading.

        :raises UnreadableArchiveError: when it cannot be opened.
        """
        if self._zip is None or member.info is None:
            with self.path.open("rb") as plain:
                yield MemberStream(plain, member, self.limits, packed_size=member.size)
            return
        packed_size = min(member.info.compress_size, self.path.stat().st_size)
        try:
            packed = self._zip.open(member.info)
        except _DAMAGE:
            raise _damaged(member.name) from None
        with packed:
            yield MemberStream(packed, member, self.limits, packed_size=packed_size)


class MemberStream:
    """
    The bytes of one member, counted and checked as they are read.

    :raises UnreadableArchiveError: from ``read``, when the member is damaged, or not as long as the
        archive says.
    :raises ArchiveLimitError: from ``read``, when it is larger than the limits allow.
    """

    def __init__(self, stream: IO[bytes], member: Member, limits: ArchiveLimits, *, packed_size: int) -> None:
        self._stream = stream
        self._member = member
        self._allowed = min(limits.max_bytes, max(packed_size * limits.max_ratio, _RATIO_FREE))
        self._read = 0

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes (at least 1), and none at the end."""
        try:
            data = self._stream.read(size)
        except _DAMAGE:
            raise _damaged(self._member.name) from None
        self._read += len(data)
        if self._read > self._allowed:
            raise ArchiveLimitError(
                f"{self._member.name} unpacks to more than the {self._allowed} bytes that its size or the "
                "limits allow; raise max_bytes or max_ratio of archive_limits if it is to be trusted."
            )
        if not data and self._read != self._member.size:
            raise UnreadableArchiveError(
                f"{self._member.name} holds {self._read} bytes where the archive says {self._member.size}; "
                "download it again."
            )
        return data


@contextmanager
def open_archive(path: Path, *, limits: ArchiveLimits) -> Iterator[Archive]:
    """
    Open a downloaded result.

    :raises UnreadableArchiveError: when it is not there, or begins like a zip but is damaged or encrypted.
    :raises UnsafeArchiveError: when a name leads out of the archive or an entry is a symbolic link.
    :raises ArchiveLimitError: when it has more members than the limits allow.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise UnreadableArchiveError(f"The result archive {path.name} {why}.") from None
    with stream:
        if not stream.read(4).startswith(_ZIP_MAGICS):
            yield Archive(path, [Member(path.name, path.stat().st_size)], limits, None)
            return
        with _open_zip(stream, limits) as zipped:
            yield Archive(path, _members(zipped, limits), limits, zipped)


def _open_zip(stream: BinaryIO, limits: ArchiveLimits) -> zipfile.ZipFile:
    # An entry has at least 46 bytes in the directory, and some tens in its name.
    directory = _DirectoryReader(stream, max_read=limits.max_members * 512)
    try:
        return zipfile.ZipFile(cast(BinaryIO, directory))
    except _DAMAGE:
        raise UnreadableArchiveError(
            "The result archive is no readable zip; it is damaged or was cut off. Download it again."
        ) from None


class _DirectoryReader:
    """
    A file that refuses a huge read, which is how zipfile takes in a directory of a million entries.

    Members are read in smaller steps.
    """

    def __init__(self, stream: BinaryIO, *, max_read: int) -> None:
        self._stream = stream
        self._max_read = max(max_read, 2 * BLOCK_SIZE)

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(self._max_read + 1 if size < 0 else min(size, self._max_read + 1))
        if len(data) > self._max_read:
            raise ArchiveLimitError(
                "The result archive has a directory larger than any result's; raise max_members of "
                "archive_limits if it is to be trusted."
            )
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _members(zipped: zipfile.ZipFile, limits: ArchiveLimits) -> list[Member]:
    entries = zipped.infolist()
    if len(entries) > limits.max_members:
        raise ArchiveLimitError(
            f"The result archive has {len(entries)} members, more than the {limits.max_members} allowed; raise "
            "max_members of archive_limits if it is to be trusted."
        )
    members = []
    for entry in entries:
        name = shown(entry.filename)
        _check_entry(entry, name)
        if not entry.is_dir() and not any(map(_is_hidden, name.split("/"))):
            members.append(Member(name, entry.file_size, entry))
    return members


def _is_hidden(part: str) -> bool:
    return part == "__MACOSX" or (part.startswith(".") and part != ".")


def _check_entry(entry: zipfile.ZipInfo, name: str) -> None:
    if not entry.filename:
        raise UnreadableArchiveError("The result archive holds a file without a name; download it again.")
    path = entry.filename.replace("\\", "/")
    if path.startswith("/") or path[1:2] == ":" or ".." in path.split("/"):
        raise UnsafeArchiveError(f"The result archive holds a name that leads out of it ({name}).")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafeArchiveError(f"The result archive holds a symbolic link ({name}).")
    if entry.flag_bits & _ENCRYPTED:
        raise UnreadableArchiveError(f"{name} in the result archive is encrypted; results never are.")
    if entry.compress_type not in _METHODS:
        raise UnreadableArchiveError(
            f"{name} in the result archive is packed by a method that is not read ({entry.compress_type})."
        )


def _damaged(name: str) -> UnreadableArchiveError:
    return UnreadableArchiveError(f"{name} in the result archive is damaged; download it again.")
