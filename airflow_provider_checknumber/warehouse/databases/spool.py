"""Lines of text handed to a database as small files, for loaders that read a file rather than a stream."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterable

#: Bytes of a file: large enough that a statement for each costs nothing, small enough for any disk.
_FILE_BYTES = 2 << 20


def spooled(chunks: Iterable[bytes]) -> Generator[str, None, None]:
    """
    Write chunks to a file until it is large enough, and return its path; then begin it anew.

    The file is gone when the iteration goes on, and only its owner can read it: it holds numbers.

    :param chunks: whole lines.
    """
    with tempfile.TemporaryDirectory(prefix="checknumber-") as folder:
        path = os.path.join(folder, "rows")
        written = 0
        with open(path, "wb") as file:
            for chunk in chunks:
                written += file.write(chunk)
                if written >= _FILE_BYTES:
                    file.flush()
                    yield path
                    file.seek(0)
                    file.truncate()
                    written = 0
            file.flush()
            if written:
                yield path
