"""The number file on its way out, watched so that a failed create can tell "not sent" from "perhaps sent"."""

from __future__ import annotations

import io
from typing import BinaryIO


class WatchedFile(io.RawIOBase):
    """
    A file that remembers whether anybody has begun to read it.

    An HTTP client reads the body only once the connection stands (name resolved, TCP and TLS done), so
    a create that fails with :attr:`begun` still false has certainly sent nothing, whichever exception
    its HTTP library chose for that.

    :param file: an open file on disk (the clients ask its descriptor for the size). Not closed with this.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.begun = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the file on disk."""
        return self._file.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position in the file."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, all of them by default."""
        self.begun = True
        return self._file.read(size)
