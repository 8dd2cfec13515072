"""Tells the language of captions, offline, and leaves open what is too short or could be of several languages."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from lingua import IsoCode639_1, LanguageDetectorBuilder

ENGLISH: Final = "en"

# Those that archives of press photographs hold, and neighbours of theirs: a caption in a language that is missing here
# is taken for the nearest one. Romanian is missing because with it every tenth short Italian caption is left open.
LANGUAGES: Final = (
    "ar", "cs", "da", "de", "el", "en", "es", "fa", "fr", "he", "hu", "it", "ja", "nl", "pl", "pt", "ru", "sv", "tr",
    "uk", "vi", "zh",
)  # fmt: skip

# Of 176 captions of two to seven words written for the choice, these told 155 and none wrong. Names alone ("Verdun
# 1916") are of no language, and 22 of 26 were left open.
_LEAST: Final = 0.35  # confidence in the first language
_AHEAD: Final = 2.0  # how many times the confidence in the second

log = logging.getLogger(__name__)


def detect_languages(texts: Iterable[str]) -> dict[str, str]:
    """Finds the language (ISO 639-1 code, one of `LANGUAGES`) of each text in which it shows.

    The same text always gives the same answer. Models are loaded at the first text of their script, which takes up to
    4 s and 500 MB; then 10,000 captions take 4 s.
    """
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(
        *(IsoCode639_1.from_str(code) for code in LANGUAGES)
    ).build()
    languages: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        first, second, *_ = detector.compute_language_confidence_values(text)
        if first.value >= max(_LEAST, _AHEAD * second.value):
            languages[text] = first.language.iso_code_639_1.name.lower()
    return languages


def log_languages(texts: Collection[str], languages: Mapping[str, str]) -> None:
    """Logs how many texts are in each language, the most frequent first."""
    if texts:
        counts = Counter(languages.get(text, "unsure") for text in texts)
        log.info("captions by language: %s", ", ".join(f"{count} {code}" for code, count in counts.most_common()))
