"""Reads dates as people write them: ISO 8601, days first, or months by name in English, French and German."""

import re
from datetime import date
from types import MappingProxyType

from cbir.labels.names import unaccented

_ISO = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?(?:[T ]\d{1,2}:.*)?")
_NUMBERS = re.compile(r"(\d{1,2})[-/. ]+(\d{1,2})[-/. ]+(\d{4})(?: \d{1,2}:.*)?")
_DAY_FIRST = re.compile(r"(?:(\d{1,2})(?:er|st|nd|rd|th)?[.,]? )?([a-z]+)[.,]? (\d{4})")
_MONTH_FIRST = re.compile(r"([a-z]+)[.]? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_NAMES = (
    *("january janvier januar jaenner jan janv", "february fevrier februar feb fev fevr", "march mars marz maerz mar"),
    *("april avril apr avr", "may mai", "june juin juni jun", "july juillet juli jul juil", "august aout aug"),
    *("september septembre sept sep", "october octobre oktober oct okt", "november novembre nov"),
    "december decembre dezember dec dez",
)
_MONTHS = MappingProxyType({name: number for number, names in enumerate(_NAMES, start=1) for name in names.split()})


def iso_date(text: str) -> str | None:
    """Returns a date as ISO 8601, as exactly as it is known: year, month or day; None where it cannot be read.

    The first of two numbers before the year is the day, unless only the second can be one.
    """
    text = " ".join(text.split())
    if match := _ISO.fullmatch(text):
        return _made(match[1], match[2], match[3])
    if match := _NUMBERS.fullmatch(text):
        day, month = (match[1], match[2]) if int(match[2]) <= 12 else (match[2], match[1])
        return _made(match[3], month, day)
    plain = unaccented(text)
    if (match := _DAY_FIRST.fullmatch(plain)) and match[2] in _MONTHS:
        return _made(match[3], str(_MONTHS[match[2]]), match[1])
    if (match := _MONTH_FIRST.fullmatch(plain)) and match[1] in _MONTHS:
        return _made(match[3], str(_MONTHS[match[1]]), match[2])
    return None


def _made(year: str, month: str | None, day: str | None) -> str | None:
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join([year, *(f"{int(part):02}" for part in (month, day) if part)])
