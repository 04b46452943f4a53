"""What several operators ask of their arguments. Not for: what only one of them takes."""

from __future__ import annotations

from typing import Any, get_args


def check_choice(name: str, value: str, choices: Any) -> None:
    """
    Refuse an argument that is none of the words it may be.

    :param name: the argument's.
    :param choices: the ``Literal`` of these words.
    :raises ValueError: it is another.
    """
    if value not in get_args(choices):
        *others, last = map(repr, get_args(choices))
        raise ValueError(f"{name} is {value!r}: use {', '.join(others)} or {last}.")
