"""Writes a cell's value as a spreadsheet program shows it: ``0007`` for 7 in the number format ``0000``."""

import datetime
import re
from itertools import zip_longest

_LONGEST = 255  # characters of a number format; Excel's own limit
_SECTION_END = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|[_*].|\[\$(?P<symbol>[^\]-]*)(?:-[^\]]*)?\]'
    r"|\[(?:black|blue|cyan|green|magenta|red|white|yellow|color ?\d+)\]"
    r"|(?P<digit>[0#?])|(?P<general>general)|(?P<day>yyyy|yy(?!y)|mm?(?!m)|dd?(?!d))|(?P<dot>\.)"
    r"|(?P<plain>[-$+()!^&'~{}<>= :]|[^\x00-\x7f])",
    re.IGNORECASE | re.DOTALL,
)
_LITERAL = ("quoted", "escaped", "symbol", "plain")
_BY_COUNTRY = "mm-dd-yy"  # the built-in date, which each country sees in another order


def as_typed(value: object) -> str:
    """Writes a value as it would be typed: 12 and not 12.0, a day without midnight."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value).strip()


def as_shown(value: object, form: str) -> str:
    """Writes a whole number by its number format, and a day by one of digits; all else as it would be typed.

    Formats with thousands, decimals, fractions or conditions change nothing: a name has none of them.

    Args:
        form: the format in Excel's notation, such as ``0000`` or ``"IMG_"0000``.
    """
    shown = ""
    if len(form) > _LONGEST:
        return as_typed(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
        shown = _number(int(value), form)
    elif isinstance(value, datetime.date) and form != _BY_COUNTRY:
        shown = _day(value, form)
    return shown.strip() or as_typed(value)


def _tokens(form: str) -> list[tuple[str, str]]:
    """Splits a format into kinds and texts; none at all where a part of it is of no kind known here."""
    tokens: list[tuple[str, str]] = []
    end = 0
    while end < len(form):
        match = _TOKEN.match(form, end)
        if match is None:
            return []
        if kind := match.lastgroup:
            tokens.append(("literal" if kind in _LITERAL else kind, match[kind]))
        end = match.end()
    return tokens


def _number(value: int, form: str) -> str:
    sections = _SECTION_END.split(form)
    place = 1 if value < 0 else 2 if value == 0 else 0
    own = place < len(sections)
    tokens = _tokens(sections[place if own else 0])
    kinds = [kind for kind, _ in tokens]
    if {"day", "dot"} & {*kinds} or kinds == ["general"]:
        return ""
    sign = "-" if value < 0 and not own else ""
    return sign + _filled(tokens, str(abs(value))) if tokens else ""


def _filled(tokens: list[tuple[str, str]], digits: str) -> str:
    """Puts digits in their places from the right; those that are left over stand in the leftmost place."""
    places = [text for kind, text in tokens if kind == "digit"]
    surplus = max(len(digits) - len(places), 0)
    leading, inner = digits[:surplus], digits[surplus:]
    pairs = zip_longest(reversed(places), reversed(inner), fillvalue="")
    filled = iter([digit or ("0" if place == "0" else "") for place, digit in pairs][::-1])
    shown = ""
    for kind, text in tokens:
        shown += leading + next(filled) if kind == "digit" else digits if kind == "general" else text
        leading = "" if kind == "digit" else leading
    return shown


def _day(value: datetime.date, form: str) -> str:
    tokens = _tokens(form)
    kinds = {kind for kind, _ in tokens}
    timed = isinstance(value, datetime.datetime) and value.time() != datetime.time()
    if timed or "day" not in kinds or kinds - {"day", "literal", "dot"}:
        return ""
    parts = {"yyyy": f"{value.year:04}", "yy": f"{value.year % 100:02}"}
    parts |= {"mm": f"{value.month:02}", "m": str(value.month), "dd": f"{value.day:02}", "d": str(value.day)}
    return "".join(parts[text.lower()] if kind == "day" else text for kind, text in tokens)
