"""
A result archive from its link to a file, whatever happens on the way.

Not for getting the link, which is the service's answer to a question about the task, nor for opening
the archive. The request carries no key and nothing else of the connection.
"""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path

import requests
from requests.auth import AuthBase

from airflow_provider_checknumber.client.errors import (
    CheckNumberTransientError,
    ConnectionLostError,
    GatewayError,
    InternalServerError,
    RateLimitedError,
    ServiceUnreachableError,
)
from airflow_provider_checknumber.client.timing import Timing
from airflow_provider_checknumber.results.archive import ArchiveLimits
from airflow_provider_checknumber.results.errors import (
    ArchiveLimitError,
    ResultError,
    ResultLinkExpiredError,
    ResultLinkRefusedError,
)
from airflow_provider_checknumber.results.links import check_link, links_kept_from_logs

log = logging.getLogger(__name__)

# Bytes taken at a time: what has come of a piece when the connection drops is lost with it.
_PIECE = 1 << 14
# What hosts of signed links answer when one is no longer good.
_EXPIRED = frozenset({403, 404, 410})
_SECONDS_BETWEEN_REPORTS = 15.0
# Tries in all, so that a host that drops the connection after every byte comes to an end.
_MOST_TRIES = 200
_MOST_FRESH_LINKS = 5
_LONGEST_PAUSE = 30.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


def download_archive(
    result_url: str,
    path: str | os.PathLike[str],
    *,
    fresh_link: Callable[[], str] | None = None,
    result_hosts: Sequence[str] = (),
    max_bytes: int = ArchiveLimits.max_download_bytes,
    timing: Timing | None = None,
) -> int:
    """
    Download a result archive.

    After a drop it goes on where it was, if the host can do that and the file is still the same.

    :param result_url: the link, which only its holder should see.
    :param path: the file to write; what was in it is gone.
    :param fresh_link: asks the service for a new link, called when this one has expired.
    :param result_hosts: the hosts that results may come from, each a name or ``*.`` and the end of one;
        default: any.
    :param max_bytes: bytes that the archive may have, default 8 GiB.
    :param timing: seconds to connect and between two pieces of the file, and how many tries may in a row
        bring nothing.
    :return: the archive's size in bytes.
    :raises ResultLinkRefusedError: when the link may not be followed, or its host refuses it or redirects.
    :raises ResultLinkExpiredError: when it has expired and there is no fresh one.
    :raises ArchiveLimitError: when the archive is larger than ``max_bytes`` or than the disk has room for.
    :raises ResultError: when it cannot be written.
    :raises CheckNumberTransientError: when the host stays away or keeps failing.
    """
    target = Path(path)
    try:
        file = target.open("wb", buffering=0)
    except OSError as error:
        raise _cannot_write(error) from None
    with file, requests.Session() as session, links_kept_from_logs():
        download = _Download(session, file, target, result_hosts, max_bytes, timing or Timing())
        return download.run(result_url, fresh_link)


class _NoAuth(AuthBase):
    """Keeps requests from sending what a .netrc file holds for the host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Interrupted(Exception):
    """The try ended early; ``error`` is what to raise if no further one is made."""

    def __init__(self, error: CheckNumberTransientError) -> None:
        super().__init__()
        self.error = error


class _LinkExpired(Exception):
    """The host says that the link is not good (any more)."""


class _Download:
    """One download: what of the file is there, and what is known about the whole of it."""

    def __init__(
        self,
        session: requests.Session,
        file: FileIO,
        path: Path,
        result_hosts: Sequence[str],
        max_bytes: int,
        timing: Timing,
    ) -> None:
        self._session = session
        self._file = file
        self._path = path
        self._result_hosts = result_hosts
        self._max_bytes = max_bytes
        self._timing = timing
        self._host = ""
        self._received = 0
        self._total: int | None = None
        self._validator: str | None = None
        self._next_report = time.monotonic() + _SECONDS_BETWEEN_REPORTS

    def run(self, link: str, fresh_link: Callable[[], str] | None) -> int:
        self._host = check_link(link, result_hosts=self._result_hosts)
        barren = fresh_links = 0
        for _ in range(_MOST_TRIES):
            before = self._received
            try:
                self._try(link)
            except _LinkExpired:
                if fresh_link is None or fresh_links == _MOST_FRESH_LINKS:
                    raise ResultLinkExpiredError(
                        f"The result link to {self._host} is no longer valid; ask for the task again to get a "
                        "fresh one."
                    ) from None
                log.info("The result link to %s has expired; asking for a fresh one.", self._host)
                link = fresh_link()
                self._host = check_link(link, result_hosts=self._result_hosts)
                fresh_links += 1
            except _Interrupted as interruption:
                barren = 0 if self._received > before else barren + 1
                if barren >= self._timing.attempts:
                    raise interruption.error from None
                log.info("%s Going on at byte %d.", interruption.error, self._received)
                _pause(barren, interruption.error.retry_after)
            else:
                log.info("Downloaded the result archive from %s (%d bytes).", self._host, self._received)
                return self._received
        raise self._lost("it kept breaking off")

    def _try(self, link: str) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self._received:
            headers["Range"] = f"bytes={self._received}-"
            if self._validator:
                headers["If-Range"] = self._validator
        try:
            response = self._session.get(
                link,
                headers=headers,
                auth=_NoAuth(),
                allow_redirects=False,
                stream=True,
                timeout=(self._timing.connect, self._timing.read),
            )
        except requests.ConnectionError:
            raise _Interrupted(
                ServiceUnreachableError(f"{self._host}, which holds the results, could not be reached.")
            ) from None
        except (requests.RequestException, OSError) as error:
            raise _Interrupted(self._lost(type(error).__name__)) from None
        with response:
            if self._accept(response):
                self._receive(response)

    def _accept(self, response: requests.Response) -> bool:
        """Take note of what the answer says; return whether its body is the file, or a part of it."""
        status = response.status_code
        if status in _EXPIRED:
            raise _LinkExpired
        if status == 416:
            # What is there is no part of the file as it is now, unless it is all of it.
            if self._received == self._total:
                return False
            self._restart()
            raise _Interrupted(self._lost("it has another file now"))
        if status == 429 or status >= 500:
            raise _Interrupted(_failure(self._host, status, response.headers.get("Retry-After")))
        if status not in (200, 206):
            raise ResultLinkRefusedError(
                f"{self._host} did not give the results out (HTTP {status}); ask for the task again to get a "
                "fresh link. Redirects are not followed."
            )
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ResultLinkRefusedError(f"{self._host} packs the results in a way that was not asked for.")
        if status == 206:
            self._note_part(response.headers.get("Content-Range", ""))
        else:
            self._restart()
            length = response.headers.get("Content-Length", "")
            self._total = int(length) if length.isdecimal() else None
        etag = response.headers.get("ETag", "")
        # A weak tag does not vouch for bytes, and must not be used with If-Range (RFC 9110, 13.1.5).
        self._validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        self._check_size(self._total or 0)
        return True

    def _note_part(self, content_range: str) -> None:
        part = _CONTENT_RANGE.fullmatch(content_range)
        if not part or int(part[1]) != self._received or self._total not in (None, int(part[2])):
            self._restart()
            raise _Interrupted(self._lost("it sent another part than was asked for"))
        self._total = int(part[2])

    def _receive(self, response: requests.Response) -> None:
        pieces = response.iter_content(_PIECE)
        while True:
            try:
                piece = next(pieces, b"")
            except (requests.RequestException, OSError) as error:
                raise _Interrupted(self._lost(type(error).__name__)) from None
            if not piece:
                break
            self._check_size(self._received + len(piece))
            self._write(piece)
            self._received += len(piece)
            self._report()
        if self._total is not None and self._received < self._total:
            raise _Interrupted(self._lost(f"{self._received} of {self._total} bytes came"))
        if self._total is not None and self._received > self._total:
            self._restart()
            raise _Interrupted(self._lost("more bytes came than were announced"))

    def _write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise _cannot_write(error) from None

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ArchiveLimitError(
                f"The result archive has more than the {self._max_bytes} bytes allowed; raise "
                "max_download_bytes of archive_limits if it is to be trusted."
            )
        free = shutil.disk_usage(self._path.parent).free
        if size - self._received > free:
            raise ArchiveLimitError(
                f"The result archive has {size} bytes, and {self._path.parent} room for {free} more; make room "
                "or choose another folder for temporary files."
            )

    def _restart(self) -> None:
        if self._received:
            self._file.seek(0)
            self._file.truncate()
        self._received = 0
        self._total = None
        self._validator = None

    def _report(self) -> None:
        if time.monotonic() < self._next_report:
            return
        self._next_report = time.monotonic() + _SECONDS_BETWEEN_REPORTS
        if self._total:
            log.info(
                "Downloading the results from %s: %d of %d MB (%d %%).",
                self._host,
                self._received >> 20,
                self._total >> 20,
                100 * self._received // self._total,
            )
        else:
            log.info("Downloading the results from %s: %d MB.", self._host, self._received >> 20)

    def _lost(self, why: str) -> ConnectionLostError:
        return ConnectionLostError(f"The download of the results from {self._host} broke off ({why}).")


def _cannot_write(error: OSError) -> ResultError:
    return ResultError(f"The result archive cannot be written ({error.strerror}).")


def _failure(host: str, status: int, retry_after: str | None) -> CheckNumberTransientError:
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    kind = {429: RateLimitedError, 500: InternalServerError}.get(status, GatewayError)
    return kind(f"{host} could not give the results out (HTTP {status}).", retry_after=seconds)


def _pause(barren: int, asked: float | None) -> None:
    longest = min(0.25 * 2**barren, _LONGEST_PAUSE)
    time.sleep(min(max(asked or 0.0, longest * random.uniform(0.5, 1.0)), _LONGEST_PAUSE))  # noqa: S311
