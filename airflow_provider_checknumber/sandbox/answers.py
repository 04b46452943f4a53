"""What the sandbox answers about a number: always the same for a number and a task type.

An answer is drawn from the number's hash, so no table of numbers has to be kept, and two sandboxes
agree. Works on whole lists, for the lists are long.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from zlib import crc32

YES, NO, UNDETERMINED = "yes", "no", "undetermined"

#: A number's hash is one of this many slots, and a slot has one answer.
_SLOTS = 1000
#: The values other than yes and no that the service contract names.
_UNDETERMINED_VALUES = ("unknown", "undetermined", "")
#: Names such as people give themselves, among them all that a CSV has to quote.
_NAMES = (
    "Ayşe Öztürk", "Smith, John", 'Bob "Bobby" Ray', "Two\nlines", "Пётр", "山田太郎", "محمد", "🙂", "O'Neil; Sons"
)  # fmt: skip

_ACTIVATED = ("number", "activated")
#: Tables that the service contract shows; any other task type has ``Number`` and a column of its own name.
_DOCUMENTED_COLUMNS = {
    "active_check": _ACTIVATED,
    "microsoft": _ACTIVATED,
    "tg": _ACTIVATED,
    "vk": _ACTIVATED,
    "ws": _ACTIVATED,
    "ws_active": (*_ACTIVATED, "activetime", "activedays", "business"),
    "ws_avatar": (*_ACTIVATED, "age", "avatar", "category", "gender", "hair_color", "skin_color"),
}

#: What the columns after the answer hold for a number that has an account, by its hash.
_DETAILS: dict[str, Callable[[int], str]] = {
    "activetime": lambda h: f"2025-{1 + h % 12:02}-{1 + h % 28:02}",
    "activedays": lambda h: str(h % 365),
    "business": lambda h: YES if h % 7 == 0 else NO,
    "age": lambda h: str(18 + h % 60),
    "avatar": lambda h: f"https://avatars.example/{h:08x}.jpg",
    "category": lambda h: ("individual", "group", "object")[h % 3],
    "gender": lambda h: ("female", "male")[h % 2],
    "hair_color": lambda h: ("black", "brown", "blond")[h % 3],
    "skin_color": lambda h: ("dark", "medium", "light")[h % 3],
    "name": lambda h: _NAMES[h % len(_NAMES)],
}


class Answers:
    """The answers for one task type.

    :param task_type: Any case; ``Twitter`` and ``twitter`` are one.
    :param undetermined: Share (0 to 1) of numbers without an answer.
    :param delimiter: Separator of the table's columns.
    :param newline: End of the table's lines.
    :param names: Whether the table has a column with account names.
    """

    def __init__(
        self,
        *,
        task_type: str,
        undetermined: float,
        delimiter: str = ",",
        newline: str = "\n",
        names: bool = False,
    ) -> None:
        task_type = task_type.lower()
        self._seed = crc32(task_type.encode())
        self._undetermined_slots = round(undetermined * _SLOTS)
        self._delimiter, self._newline = delimiter, newline
        columns = _DOCUMENTED_COLUMNS.get(task_type, ("Number", task_type)) + (("name",) if names else ())
        self.header = self._csv_line(columns)
        self._details = [_DETAILS[column] for column in columns[2:]]
        self._answers = [self._answer(slot) for slot in range(_SLOTS)]
        # The line of a number is the number and this: worked out once for each slot, as long as the answer
        # is all that there is to say.
        self._line_ends = [self._line_end(slot, hashed=0) for slot in range(_SLOTS)]

    def of(self, numbers: Sequence[bytes]) -> list[str]:
        """Return :data:`YES`, :data:`NO` or :data:`UNDETERMINED` for each number."""
        answers, seed = self._answers, self._seed
        return [answers[crc32(number, seed) % _SLOTS] for number in numbers]

    def undetermined_among(self, numbers: Sequence[bytes]) -> int:
        """Return how many of the numbers have no answer."""
        limit, seed = self._undetermined_slots, self._seed
        return len([1 for number in numbers if crc32(number, seed) % _SLOTS < limit]) if limit else 0

    def line_ends(self, numbers: Sequence[bytes]) -> list[bytes]:
        """Return what follows each number on its line of the table, line end included."""
        seed = self._seed
        if not self._details:
            ends = self._line_ends
            return [ends[crc32(number, seed) % _SLOTS] for number in numbers]
        hashes = [crc32(number, seed) for number in numbers]
        return [self._line_end(hashed % _SLOTS, hashed=hashed) for hashed in hashes]

    def _answer(self, slot: int) -> str:
        if slot < self._undetermined_slots:
            return UNDETERMINED
        return YES if slot % 5 < 2 else NO

    def _line_end(self, slot: int, *, hashed: int) -> bytes:
        answer = self._answers[slot]
        shown = _UNDETERMINED_VALUES[slot % 3] if answer == UNDETERMINED else answer
        details = [detail(hashed) if answer == YES else "" for detail in self._details]
        return self._csv_line(["", shown, *details])

    def _csv_line(self, values: Sequence[str]) -> bytes:
        line = io.StringIO()
        csv.writer(line, delimiter=self._delimiter, lineterminator=self._newline).writerow(values)
        return line.getvalue().encode()
