"""Tells the encoding of a text file, and refuses one that it would read as a jumble of letters.

Windows-1252 has a character for nearly every byte, so it is believed only where the words look like those of a language
that is written in it. Words in Central European, Turkish, Baltic, DOS and Macintosh code pages do not.
"""

import codecs
import re
from pathlib import Path

from cbir.base.errors import UserError

_OTHER_LETTERS = re.compile(rb"[\xc0-\xff]{4}")  # no word of a language written in Windows-1252 has four in a row
_LONGEST_WORD = 1_000  # characters that are looked at

_SIGNS = "€„†‡‰‹›•™¡¢£¤¥¦§¨©ª¬®¯±²³µ¶¸¹º¼½¾¿×÷"
_WORD = re.compile(r"[^ \t\r\n\f\v;,|\"]+")
_JUMBLES_BY_CASE = (
    r"[a-zß-ÿ][ŠŒŽŸØËÞÐ]|[^\W\d_][ŠŒŽŸ][a-zß-ÿ]|[a-zß-ÿA-Z]Æ[a-zß-ÿ]",  # a capital inside a word: RŽfugiŽs, mØsta, SÆo
    r"(?<!\w)(?:[¹²³ºª®§€]{1,2}[a-zß-ÿ]{2}|¾[a-zß-ÿ]{3}|Ÿ[a-zß-ÿ])",  # a sign that begins it: ¹kola, ºi, Ÿehir
    r"\A\xa0[a-z]|(?<![\w'’\xa0])[b-df-hj-np-tvwxz]\xa0[a-z]",  # a space that does not break for á: " rbol", "m s"
    r"[a-z]\xa0[b-df-hj-np-tvwxz](?![\w'’.])",  # "katon k"
)
_JUMBLES = (
    *map(re.compile, _JUMBLES_BY_CASE),
    *(
        re.compile(jumble, re.IGNORECASE)
        for jumble in (
            "[ƒˆ˜]",  # of no language: chƒteau
            rf"[a-zß-ÿ][{_SIGNS}“”]+[a-zß-ÿ]",  # a sign inside a word: gar‡on, sch”n, g³owa
            rf"[{_SIGNS}‚«»]{{3}}",
            r"[^\W\d_]‚|™[^\W\d_]|[†‡][a-zà-ÿ]",  # r‚fugi‚s, ™sterreich, ‡rbol
            r"[aeiouáéíóú]–[aeiouáéíóú]|[a-z]—n(?:es)?\b",  # a dash for a letter: se–or, estaci—n
            "ç(?=[b-df-hj-np-tv-xz])",  # no consonant follows it: bçrni
            r"[^\W\d_]â\b|î(?=[krv])",  # ziemâ, karavîri
            r"[^\W\d_][¡¢¤¥¦¨¬±¶¼½¾¿]|[aeiou]º|[a-z]œ\b",  # a sign that ends it: gór±, Troms¿, oraº, wieœ
            r"oä|óô|yû|\A[âã]\Z",  # of no language: koä, gyûlés
            r"eè|schš|šh|áe\b|í[^\W\d_]*ì|â[^\W\d_]*ã",  # of no language: deèki, schšn, Straáe, dítì, fântânã
            "[ðþý]",  # letters of other languages in their place: savaþý
            r"[ìù](?=[^\W\d_])",  # last in a word, in all languages that have them: mìsta
            "è(?=[aeiouy])",  # no vowel follows it: vojaèka
            "ñ(?![aeiouáéíóúü])",  # a vowel always does: pañstwo
            "õ(?!e)",  # nõk
            r"ã(?![oeisz]|\b)",  # bãrbat
            r"ø[^\W\d_]*[áíóú]|[áíóú][^\W\d_]*[øùû]|û[^\W\d_]*[áíóú]",  # in one word of no language: pøíchod
        )
    ),
)


def encoding_of(path: Path, data: bytes) -> str:
    """Returns Python's name of the encoding: UTF-8, UTF-16 and UTF-32 with or without a mark, or Windows-1252.

    Raises:
        UserError: it is none of them, or in another 8-bit code page, which it would read as a jumble.
    """
    try:
        encoding = _guess(data)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refusal(path, f"line {line}, byte {error.start} of the file") from error
    if encoding == "cp1252" and (word := _jumble(text)):
        line = text.count("\n", 0, text.index(word)) + 1
        raise _refusal(path, f'line {line} would read "{word[:60]}"')
    return encoding


def _refusal(path: Path, why: str) -> UserError:
    return UserError(f"{path} is no text in UTF-8, UTF-16 or Windows-1252 ({why}); save it as CSV in UTF-8")


def _guess(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if data[1:2] == b"\0" and data[3:4] == b"\0" and data[:4].strip(b"\0"):
        return "utf-16-le"
    if b"\0" in data:
        raise UnicodeDecodeError("utf-8", data, data.index(b"\0"), data.index(b"\0") + 1, "no text holds a zero byte")
    try:
        data.decode("utf-8")
        return "utf-8-sig"
    except UnicodeDecodeError:
        _require_western(data)
        return "cp1252"


def _require_western(data: bytes) -> None:
    """Raises UnicodeDecodeError for other alphabets, and for UTF-8 with a faulty byte."""
    if other := _OTHER_LETTERS.search(data):
        raise UnicodeDecodeError("cp1252", data, *other.span(), "four letters in a row that are no ASCII")
    text = data.decode("utf-8", errors="replace")
    faulty = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", errors="ignore")) > 2 * faulty:  # more sequences are right than wrong
        data.decode("utf-8")


def _jumble(text: str) -> str:
    """Finds the first word that no language written in Windows-1252 has; empty where all may be words."""
    words = dict.fromkeys(word[0][:_LONGEST_WORD] for word in _WORD.finditer(text) if not word[0].isascii())
    return next((word for word in words if any(jumble.search(word) for jumble in _JUMBLES)), "")
