"""
Judges the lines of a number list: what is sent, what is skipped, what makes the list fail.

Whole blocks that are E.164 already pass by one regular expression; only a line that it stops at is
looked at on its own. Not for finding repeated numbers: see :mod:`.distinct`.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

from airflow_provider_checknumber.numbers.blocks import Block
from airflow_provider_checknumber.numbers.errors import NumberEncodingError
from airflow_provider_checknumber.numbers.keys import end_of_e164
from airflow_provider_checknumber.numbers.normalise import Normaliser, UnusableNumberError

OnInvalid = Literal["fail", "skip", "keep"]

#: How many lines an error names.
NAMED_LINES = 10

# Looks at a run of spaces once, from its beginning: from each of its spaces on would take the square of it.
_SPACES_BEFORE_NEWLINE = re.compile(rb"(?<![ \t])[ \t]++(?=\n)")
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
# Marks that web pages and spreadsheets leave around a number, where nobody can see them.
_INVISIBLE = (
    "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


class RejectSink(Protocol):
    """Where refused lines go."""

    def add(self, line: int, reason: str, value: str) -> None:
        """Take one refused line."""
        ...


class LineChecker:
    """
    Checks block after block of one list and keeps count.

    :param name: what a message calls the list.
    :param normaliser: makes E.164 of other writing, or None to refuse it.
    :param on_invalid: ``"keep"`` lets a line through as it is; otherwise it is refused and counted.
    :param rejects: where refused lines go, or None.
    """

    def __init__(
        self,
        *,
        name: str,
        normaliser: Normaliser | None,
        on_invalid: OnInvalid,
        rejects: RejectSink | None,
    ) -> None:
        self._name = name
        self._normaliser = normaliser
        self._on_invalid = on_invalid
        self._rejects = rejects
        #: Refused lines, and the numbers of the first few of them.
        self.invalid_count = 0
        self.invalid_lines: list[int] = []
        #: Lines with a value, refused ones included, a heading not.
        self.lines_read = 0

    def check(self, block: Block) -> bytes:
        """
        Return the lines of a block that are to be sent, in their order.

        :raises NumberEncodingError: at a line that is no UTF-8 or has a NUL in it.
        """
        data = block.data
        end = end_of_e164(data)
        if end == len(data):
            self.lines_read += len(block.lines)
            return data
        data = _SPACES_BEFORE_NEWLINE.sub(b"", data)
        out = bytearray()
        position = 0
        index = 0
        while position < len(data):
            end = end_of_e164(data, position)
            if end > position:
                count = data.count(b"\n", position, end)
                index += count
                self.lines_read += count
                out += data[position:end]
                position = end
                continue
            end = data.index(b"\n", position)
            out += self._check_line(data[position:end], block.lines[index])
            index += 1
            position = end + 1
        return bytes(out)

    def _check_line(self, raw: bytes, line: int) -> bytes:
        r"""Return what is sent for one line, with its ``\n``, or nothing."""
        text = self._decode(raw, line)
        if not text:
            return b""
        self.lines_read += 1
        if _E164.fullmatch(text):
            return text.encode() + b"\n"
        reason = "not an E.164 number"
        if self._normaliser is not None:
            try:
                return self._normaliser.normalise(text).encode() + b"\n"
            except UnusableNumberError as error:
                reason = str(error)
        if self._on_invalid == "keep":
            return text.encode() + b"\n"
        self._refuse(line, reason, text)
        return b""

    def _decode(self, raw: bytes, line: int) -> str:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise NumberEncodingError(
                f"Line {line} of {self._name} is not UTF-8 text; save the list as UTF-8 or name its encoding."
            )
        return text.strip().strip(_INVISIBLE).strip()

    def _refuse(self, line: int, reason: str, text: str) -> None:
        self.invalid_count += 1
        if len(self.invalid_lines) < NAMED_LINES:
            self.invalid_lines.append(line)
        if self._rejects is not None:
            self._rejects.add(line, reason, text)
