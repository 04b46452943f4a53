"""Phone numbers for the demo that belong to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

# Set aside for films and novels by the regulators: United Kingdom (Ofcom, mobile), France (Arcep, Paris).
_FICTION = (("+447700900", 3), ("+3319900", 4))

# North America: 555-0100 to 555-0199 of every area code is for fiction. An area code is 2 to 9, then 0 to 8,
# then any digit, and does not end in 11.
_AREA_CODES = [code for code in range(200, 990) if code // 10 % 10 != 9 and code % 100 != 11]

# No country has the code 999, so there are enough of these.
_NOWHERE = ("+999", 11)


def made_up_numbers(count: int) -> Iterator[str]:
    """Yield ``count`` different numbers in E.164 form, the same ones every time.

    The first 82,200 are from ranges that are set aside for fiction, all others have a country code that no
    country has.
    """
    north_america = (("+1" + f"{code}55501", 2) for code in _AREA_CODES)
    ranges = chain(_FICTION, north_america, [_NOWHERE])
    numbers = (f"{prefix}{i:0{digits}d}" for prefix, digits in ranges for i in range(10**digits))
    return islice(numbers, count)
