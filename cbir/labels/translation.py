"""Translates captions into English by DeepL, each text once: what was paid for is kept in a file of its own.

The file is no store that could be filled again for nothing, so it is not among those: nothing deletes it, it is only
ever appended to, and each answer is on the disk before the next request is sent.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cbir.base.display import Progress, silent
from cbir.labels.languages import ENGLISH
from cbir.labels.notes import Note

if TYPE_CHECKING:
    import deepl

KEY: Final = "DEEPL_API_KEY"
SERVER: Final = "DEEPL_SERVER_URL"
PATIENCE: Final = 120.0  # seconds for which one request is repeated

_TARGET: Final = "EN-GB"
_TEXTS: Final = 50  # of one request, by DeepL's rules
_BYTES: Final = 100_000  # of one request; DeepL takes 128 KiB
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_REASONS: Final = {
    403: f"DeepL does not know the key in {KEY}",
    456: f"the quota of the key in {KEY} is used up",
    _TOO_MANY: "DeepL takes no more requests at the moment",
}
_STRANGE: Final = "the answer is none that DeepL gives"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Translated:
    """Holds translations by text, and what is missing."""

    english: dict[str, str]
    unanswered: tuple[str, ...] = ()
    problem: str = ""  # why there are unanswered ones
    too_long: tuple[str, ...] = ()  # those that no request can hold


class _NoAnswerError(Exception):
    """Says why DeepL gives no translation, now or for some time, in a clause without anything that was sent."""


def english_of(
    texts: Sequence[str], languages: Mapping[str, str], *, file: Path | None, source: str, progress: Progress = silent
) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Returns English by caption, those that are English as they are, and notes on what was not translated.

    Args:
        file: of translations, see `translate_texts`; None: nothing is translated.
        source: of the captions, as the notes name it.
    """
    own = {text: text for text in texts if languages.get(text) == ENGLISH}
    if file is None:
        return own, ()
    foreign = [text for text in texts if text not in own]
    translated = translate_texts(foreign, file=file, progress=progress)
    log.info("%d of %d captions in other languages have a translation", len(translated.english), len(set(foreign)))
    return own | translated.english, _missing(translated, source)


def _missing(translated: Translated, source: str) -> tuple[Note, ...]:
    """Notes on captions without a translation: one each that is too long, one for all that DeepL did not answer."""
    notes = [Note(source, 0, text, "too long for DeepL", advice="shorten it") for text in translated.too_long]
    if translated.unanswered:
        problem = f"{len(translated.unanswered)} captions are not translated: {translated.problem}"
        advice = "when that is mended, `cbir run --force groundtruth` asks for these alone"
        log.warning("%s; %s", problem, advice)
        notes.append(Note(source, 0, "", problem, translated.unanswered, advice))
    return tuple(notes)


def translate_texts(
    texts: Iterable[str], *, file: Path, patience: float = PATIENCE, progress: Progress = silent
) -> Translated:
    """Puts each distinct text into English: from the file of translations, else from DeepL, and then kept in the file.

    Rate limits, outages and lost connections are waited for by DeepL's own client with growing pauses, until
    ``patience`` is over. The first request that comes to nothing for good ends the asking; so do a wrong key and a
    quota that is used up. Without a key nothing is asked, and what the file has is used.

    The key stands in the environment variable DEEPL_API_KEY, and DEEPL_SERVER_URL may name another server, for tests.

    Args:
        file: made where there is none; see `read_translations`.
        patience: seconds for which one request is repeated; a round of attempts that has begun is ended.

    Raises:
        OSError: the file cannot be written; nothing was asked, or one answer was lost.
    """
    known = read_translations(file)
    distinct = list(dict.fromkeys(texts))
    too_long = tuple(text for text in distinct if text not in known and _size(text) > _BYTES)
    batches = _batches(text for text in distinct if text not in known and _size(text) <= _BYTES)
    problem = ""
    try:
        if batches:
            ask = _connect(patience)
            with _appending(file) as keep:  # before anything is paid for
                for batch in progress(batches, total=len(batches), desc="translation", unit="request"):
                    answer = dict(zip(batch, ask(batch), strict=True))
                    keep(answer)
                    known.update(answer)
    except _NoAnswerError as error:
        problem = str(error)
    english = {text: known[text] for text in distinct if known.get(text)}
    unanswered = tuple(text for batch in batches for text in batch if text not in known)
    return Translated(english, unanswered, problem, too_long)


def read_translations(file: Path) -> dict[str, str]:
    """Reads English by caption from a file of lines of JSON: ``{"caption": …, "caption_en": …}``, in UTF-8.

    The last of several lines about a caption counts, so that a person can correct a translation in its line or by
    another one. Lines that are damaged, such as one that a full disk cut off, are left out with a warning.
    """
    known: dict[str, str] = {}
    damaged = 0
    for line in file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n") if file.exists() else []:
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            known[str(entry["caption"])] = str(entry["caption_en"])
        except (ValueError, TypeError, KeyError):
            damaged += 1
    if damaged:
        log.warning("%d lines of %s are no translations and were left out; mend or delete them", damaged, file)
    return known


@contextmanager
def _appending(file: Path) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Gives a function that adds translations to the file and returns when they are on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as lines:

        def keep(english: Mapping[str, str]) -> None:
            entries = [{"caption": text, "caption_en": translation} for text, translation in english.items()]
            lines.write("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode())
            lines.flush()
            os.fsync(lines.fileno())

        if lines.seek(0, os.SEEK_END):
            lines.seek(-1, os.SEEK_END)
            if lines.read() != b"\n":  # a line that was cut off must not spoil the next one
                lines.write(b"\n")
        yield keep


def _batches(texts: Iterable[str]) -> list[list[str]]:
    """Divides the texts into requests of a size that DeepL takes."""
    batches: list[list[str]] = []
    size = 0
    for text in texts:
        size += _size(text)
        if not batches or len(batches[-1]) == _TEXTS or size > _BYTES:
            batches.append([])
            size = _size(text)
        batches[-1].append(text)
    return batches


def _size(text: str) -> int:
    """Counts the bytes of a text in a request, which writes 6 for a letter that is no ASCII."""
    return len(json.dumps(text)) + 2


def _connect(patience: float) -> Callable[[Sequence[str]], list[str]]:
    """Gives a function that has DeepL translate texts; the key is read here and goes into the header only."""
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise _NoAnswerError(f"{KEY} is not set")
    if not (key.isascii() and key.isprintable()):
        raise _NoAnswerError(f"{KEY} holds characters that no key has")
    import deepl

    logging.getLogger("deepl").setLevel(logging.WARNING)  # below, it quotes answers, and a proxy's may quote the key
    client = deepl.DeepLClient(key, server_url=os.environ.get(SERVER) or None, send_platform_info=False)

    def ask(texts: Sequence[str]) -> list[str]:
        end = time.monotonic() + patience
        while True:
            try:
                answers = client.translate_text(texts, target_lang=_TARGET)
            except deepl.DeepLException as error:  # its text may quote what was sent, the key too: it goes no further
                if time.monotonic() >= end or not _may_pass(error):
                    raise _NoAnswerError(_reason(error.http_status_code)) from None
            except (AttributeError, TypeError, ValueError):
                raise _NoAnswerError(_STRANGE) from None
            else:
                if not isinstance(answers, list) or len(answers) != len(texts):
                    raise _NoAnswerError(_STRANGE)
                return [str(answer.text) for answer in answers]

    return ask


def _may_pass(error: "deepl.DeepLException") -> bool:
    status = error.http_status_code
    return error.should_retry if status is None else status == _TOO_MANY or status >= _SERVER_ERROR


def _reason(status: int | None) -> str:
    if status is None:
        return "DeepL cannot be reached"
    if status >= _SERVER_ERROR:
        return f"DeepL is out of order (HTTP {status})"
    return _REASONS.get(status, f"DeepL refuses the request (HTTP {status})")
