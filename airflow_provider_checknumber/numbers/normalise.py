"""
One untidy number to E.164, with the ``phonenumbers`` library.

Called for the lines that are not E.164 already, and only where a region was given to read them in. The
library takes some thirty microseconds a number, a hundred times what the rest of a line's way costs.
"""

from __future__ import annotations

import re
from typing import Any

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
# "905321234567.0" is what a spreadsheet or a float column makes of a number. Reading its zero as a
# digit would make another, perhaps valid, number of it.
_DECIMAL = re.compile(r"\+?\d+[.,]0*")


class UnusableNumberError(ValueError):
    """A text that cannot be made an E.164 number; the message is the reason, without the text."""


class Normaliser:
    """
    Reads numbers as they are written in one region.

    :param default_region: two capital letters of ISO 3166, the region that national writing is read in.
    :raises ValueError: when ``phonenumbers`` knows no such region.
    """

    def __init__(self, default_region: str) -> None:
        import phonenumbers

        if default_region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(
                f"default_region={default_region!r} is no region that phonenumbers knows; "
                'give two capital letters such as "TR"'
            )
        self._region = default_region
        self._phonenumbers = phonenumbers

    def normalise(self, text: str) -> str:
        """
        Return the E.164 form of a number.

        The number has to be a valid one of its country, by the ranges that the library knows. Length
        alone would turn a national number with a digit missing into a wrong one with its leading zero.

        :raises UnusableNumberError: when the text is no number, or one of an impossible length.
        """
        library = self._phonenumbers
        if _DECIMAL.fullmatch(text):
            raise UnusableNumberError("a decimal number")
        # The library reads "0800-FLOWERS" as digits and cuts "call 0532 ..." down to a number. What is
        # billed should have been written as a number.
        if any(map(str.isalpha, text)):
            raise UnusableNumberError("holds letters")
        try:
            parsed = library.parse(text, self._region)
        except library.NumberParseException as error:
            raise UnusableNumberError(_reason(library, error.error_type)) from None
        possible = library.is_possible_number_with_reason(parsed)
        if possible != library.ValidationResult.IS_POSSIBLE:
            raise UnusableNumberError(_length_reason(library, possible))
        if not library.is_valid_number(parsed):
            raise UnusableNumberError("not a number in use in its country")
        number: str = library.format_number(parsed, library.PhoneNumberFormat.E164)
        if not _E164.fullmatch(number):
            raise UnusableNumberError("not an E.164 number")
        return number


def _reason(library: Any, error_type: int) -> str:
    kinds = library.NumberParseException
    return {
        kinds.INVALID_COUNTRY_CODE: "unknown country code",
        kinds.TOO_SHORT_AFTER_IDD: "too short",
        kinds.TOO_SHORT_NSN: "too short",
        kinds.TOO_LONG: "too long",
    }.get(error_type, "not a number")


def _length_reason(library: Any, possible: int) -> str:
    results = library.ValidationResult
    return {
        results.TOO_SHORT: "too short",
        results.IS_POSSIBLE_LOCAL_ONLY: "lacks its area code",
        results.TOO_LONG: "too long",
        results.INVALID_COUNTRY_CODE: "unknown country code",
    }.get(possible, "of an impossible length")
