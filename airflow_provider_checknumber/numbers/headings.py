"""Which first lines of a text file are its heading. Not for CSV files, whose column is named."""

from __future__ import annotations

import re

# A first line is a heading only where it consists of words that headings of number lists are made of.
# Any other text there may be a number gone wrong, and would be lost in silence.
_HEADING_WORDS = frozenset(
    """
    number numbers num no nr phone phones telephone tel mobile cell cellular cellphone gsm msisdn fax contact
    customer client user subscriber home work primary main international full formatted e164 e mail email mails
    value column address numara numarası numaralar telefon telefonu cep müşteri gsmno nummer rufnummer
    telefonnummer handy handynummer mobilnummer numero número numéro numeros números numéros teléfono telefono
    téléphone portable móvil movil celular telefone cellulare номер телефон мобильный 电话 手机 号码 电话号码
    手机号 手机号码 電話 電話番号 携帯 전화 전화번호 رقم هاتف الهاتف
    """.split()  # noqa: SIM905, RUF001 - a list of fifty strings would be read by nobody
)
_WORD = re.compile(r"e\.?164|[^\W\d_]+", re.IGNORECASE)


def is_heading(line: str) -> bool:
    """Return whether a list's first line names what is below it."""
    words = [word.casefold().replace(".", "") for word in _WORD.findall(line)]
    # Nothing but words, quotation marks and what joins words: "Phone number", '"phone_number"', "E.164".
    rest = _WORD.sub("", line)
    return bool(words) and _HEADING_WORDS.issuperset(words) and not rest.strip(" \t\r\"'_-.:#()")
