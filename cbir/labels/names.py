"""Finds the files that a person's list of names means, although the list spells them in another way."""

import functools
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from rapidfuzz import fuzz, process

from cbir.images.formats import IMAGE_SUFFIXES

_FORMAT_CHARACTERS = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SEPARATORS = re.compile(r"[\s_\-‐‑‒–—―−]+")
_AROUND_BRACKETS = re.compile(r" ?([()\[\]{}]) ?")
_QUOTES = str.maketrans("’‘‛ʼ`´“”„«»", "''''''" + '"' * 5)
_UNDECOMPOSED = str.maketrans(
    {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i"}
)
_QUOTATION_MARKS = " \"'`´’‘‚‛“”„«»‹›<>[]"
_BULLETS = "•·▪◦●○■□ \t"
_SUFFIX = rf"\.(?:{'|'.join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))})(?![\w.])"
_REMARK = re.compile(rf"(?P<name>.*?{_SUFFIX})(?!.*{_SUFFIX})", re.IGNORECASE | re.DOTALL)
_IIIF = re.compile(  # https://iiif.io/api/image/3.0/: identifier, region, size, rotation, quality and format
    r"https?://.*/(?P<name>[^/]+)/(?:info\.json|[^/]+/[^/]+/!?[\d.]+/(?:default|native|color|gr[ae]y|bitonal)\.\w+)"
)
_PAGE_WITHIN = re.compile(r"#|\b(?:pp?|pgs?|pages?|f|fol|folio|bl|blatt|s|seite)\b\W*\d", re.IGNORECASE)
_PAGE = re.compile(r"(?:#(?:page=)?|[\s_,.-]+p(?:age|\.)?[\s_.]*)(\d{1,5})$", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_LONGEST = 4_096  # characters of a name; folding takes time by the square of what stands upon one letter
_LONGEST_PAGE = 60  # characters of a page's number behind a name, with what is around it
_LEAST_LIKENESS = 70  # of rapidfuzz's 100; names below it share little but their length


class Problem(StrEnum):
    """Says why a name gave no image."""

    UNMATCHED = "no such file"
    AMBIGUOUS = "several files"
    REJECTED = "file rejected"


@dataclass(frozen=True)
class Match:
    """Holds what a name means: an image, or a problem with the files concerned."""

    image_id: str | None = None
    problem: Problem | None = None
    candidates: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    accession: str
    reason: str  # why its first page was rejected; empty where it was not
    page_ids: tuple[str | None, ...]


def compose(text: str) -> str:
    """Returns Unicode's composed form (NFC) without outer space: what one sees, whichever system wrote it.

    Keeps the beginning of a text that is longer than any name, as the other forms do.
    """
    return unicodedata.normalize("NFC", text.strip()[:_LONGEST])


def plain(text: str) -> str:
    """Folds a name as `compose`, with case, kinds of spaces, underscores, hyphens and quotes made alike."""
    text = text.strip()[:_LONGEST]
    if not text.isascii():
        text = _FORMAT_CHARACTERS.sub("", text)
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).casefold()
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    text = _SEPARATORS.sub(" ", text.lower())
    return _AROUND_BRACKETS.sub(r"\1", text).strip()


def unaccented(text: str) -> str:
    """Folds a name as `plain`, without accents and other marks; ligatures are taken apart."""
    text = plain(text)
    if text.isascii():
        return text
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return plain(unicodedata.normalize("NFC", bare.translate(_UNDECOMPOSED)))


def without_suffix(name: str) -> str:
    """Returns a file's name without its extension, where that is one of images (``a.1914`` stays as it is)."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.strip().lower()}" in IMAGE_SUFFIXES and dot else name


class NameIndex:
    """Finds the images that names mean among the files of a manifest.

    A name is looked up from strict to loose, and the first stage that finds a file wins: as it is written (NFC and NFD
    are one), then without regard to case, spaces, underscores and hyphens, then without accents. In each stage the name
    with its extension goes before the name without, and that before the name with another extension.

    Folders before the name must agree with the file's, from the end as far as both go (the path inside the accession
    is enough). Among several files, those that share most folders with it are meant. Files with one image_id are one
    image; several image_ids are ambiguous, which is reported and never guessed.

    A name that means no file as it is written is looked up once more by what is name in it: without quotation marks,
    without the remark behind its extension (``a.jpg (cropped)``) or a question mark, and an IIIF address by its
    identifier.

    A name means the first page of a file; ``album.tif#3``, ``album p3`` and ``album, page 3`` mean its third.

    Args:
        manifest: with the columns image_id, path, page, accession, status and reason.
    """

    def __init__(self, manifest: pd.DataFrame) -> None:
        self._files = _files(manifest)
        self._by_stem: dict[Callable[[str], str], dict[str, list[_File]]] = {}

    def match(self, name: str) -> Match:
        """Finds the image that a name means, or why there is none; a text longer than any name means none."""
        name = name.strip()
        if len(name) > _LONGEST:
            return Match(problem=Problem.UNMATCHED)
        match = self._of_page(name)
        bare = _bare(name) if match.problem is Problem.UNMATCHED else name
        return match if bare == name else self._of_page(bare)

    def _of_page(self, name: str) -> Match:
        match = self._match(name, page=0)
        page = _PAGE.search(name, max(0, len(name) - _LONGEST_PAGE))  # of all of it, time goes by the square
        if match.problem is Problem.UNMATCHED and page and int(page[1]) > 0:
            of_page = self._match(name[: page.start()], page=int(page[1]) - 1)
            return match if of_page.problem is Problem.UNMATCHED else of_page
        return match

    def nearest(self, name: str, *, limit: int = 3) -> tuple[str, ...]:
        """Finds paths of the files whose names are most like one that matched none, best first.

        First come files of that very name in other folders, then those that differ in leading zeros or separators only,
        then those that share most of their letters.
        """
        base = unaccented(without_suffix("/".join(_parts(name)[-1:])))
        if not base:
            return ()
        stems = self._stems(unaccented)
        bases = [base, *self._by_number.get(_number_key(base), ())]
        alike = process.extract(
            base, self._distinct_stems, scorer=fuzz.ratio, limit=limit, score_cutoff=_LEAST_LIKENESS
        )
        bases += [stem for stem, _, _ in alike]
        paths = [file.path for stem in dict.fromkeys(bases) for file in stems.get(stem, ())]
        return tuple(paths[:limit])

    def _match(self, name: str, *, page: int) -> Match:
        parts = _parts(name)
        if not parts:
            return Match(problem=Problem.UNMATCHED)
        *folders, base = parts
        for form in (compose, plain, unaccented):
            wanted = form(base)
            stems = self._stems(form)
            files = {
                file.path: file for key in (wanted, form(without_suffix(base))) if key for file in stems.get(key, ())
            }
            fitting = [file for file in files.values() if _agree(folders, file) and page < len(file.page_ids)]
            ranks = [_rank(base, wanted, form, file) for file in fitting]
            if ranks:
                best = [file for file, rank in zip(fitting, ranks, strict=True) if rank == min(ranks)]
                return _decide(best, folders, base, page=page)
        return Match(problem=Problem.UNMATCHED)

    def _stems(self, form: Callable[[str], str]) -> dict[str, list[_File]]:
        if form not in self._by_stem:
            stems: dict[str, list[_File]] = {}
            for file in self._files:
                stems.setdefault(form(without_suffix(file.path.rpartition("/")[2])), []).append(file)
            self._by_stem[form] = stems
        return self._by_stem[form]

    @functools.cached_property
    def _distinct_stems(self) -> list[str]:
        return list(self._stems(unaccented))

    @functools.cached_property
    def _by_number(self) -> dict[str, list[str]]:
        keys: dict[str, list[str]] = {}
        for stem in self._distinct_stems:
            keys.setdefault(_number_key(stem), []).append(stem)
        return keys


def _files(manifest: pd.DataFrame) -> list[_File]:
    """Makes an entry a file, by path, its pages in order."""
    columns = ["path", "page", "accession", "image_id", "status", "reason"]
    rows = manifest[columns].sort_values(["path", "page"], kind="stable")
    files: list[_File] = []
    for path, page, accession, image_id, status, reason in zip(
        *(rows[column].tolist() for column in columns), strict=True
    ):
        usable = image_id if status == "ok" else None
        if files and files[-1].path == path:
            first = files.pop()
            gap = (None,) * (page - len(first.page_ids))
            files.append(_File(path, accession, first.reason, (*first.page_ids, *gap, usable)))
        else:
            why = "" if status == "ok" else f"{status}: {reason}" if isinstance(reason, str) and reason else str(status)
            files.append(_File(path, accession, why, (usable,) * (page + 1)))  # page 0 may be a preview
    return files


def _parts(name: str) -> list[str]:
    parts = name.strip().replace("\\", "/").split("/")
    return [part for part in parts if part.strip() not in ("", ".", "..")]


def _bare(name: str) -> str:
    """Takes off a name what people write around it."""
    address = _IIIF.fullmatch(name)
    name = urllib.parse.unquote(address["name"]) if address else name
    written = _REMARK.match(name)
    if written and _PAGE_WITHIN.search(name, written.end()):  # a page that the file does not have
        return name
    return (written["name"] if written else name.rstrip("?!* ")).lstrip(_BULLETS).strip(_QUOTATION_MARKS)


def _number_key(stem: str) -> str:
    return _DIGITS.sub(lambda digits: digits[0].lstrip("0") or "0", stem).replace(" ", "")


def _rank(base: str, wanted: str, form: Callable[[str], str], file: _File) -> int:
    """Rates how a name fits a file with its stem: 0 to the letter, 1 with its extension, 2 without, 3 another."""
    on_disk = file.path.rpartition("/")[2]
    if on_disk == base:
        return 0
    if form(on_disk) == wanted:
        return 1
    return 2 if form(without_suffix(on_disk)) == wanted else 3


def _folders(file: _File) -> tuple[list[str], list[str]]:
    """Returns the folded folder names of a file: all, and those inside its accession."""
    whole = [unaccented(folder) for folder in file.path.split("/")[:-1]]
    return whole, whole[1:]


def _agree(folders: Iterable[str], file: _File) -> bool:
    named = [unaccented(folder) for folder in folders]
    return not named or any(_common_end(named, real) == min(len(named), len(real)) for real in _folders(file))


def _common_end(names: list[str], others: list[str]) -> int:
    count = 0
    for name, other in zip(reversed(names), reversed(others), strict=False):
        if name != other:
            break
        count += 1
    return count


def _decide(files: list[_File], folders: list[str], base: str, *, page: int) -> Match:
    usable = [file for file in files if file.page_ids[page] is not None]
    if not usable:
        reasons = "; ".join(dict.fromkeys(file.reason or "its page was rejected" for file in files))
        return Match(problem=Problem.REJECTED, candidates=tuple(file.path for file in files), reason=reasons)
    if folders:
        usable = _closest(usable, folders, base)
    image_ids = {file.page_ids[page] for file in usable}
    if len(image_ids) > 1:
        return Match(problem=Problem.AMBIGUOUS, candidates=tuple(file.path for file in usable))
    return Match(image_id=image_ids.pop(), candidates=tuple(file.path for file in usable))


def _closest(files: list[_File], folders: list[str], base: str) -> list[_File]:
    """Keeps those files whose folders are most like the named ones, the whole path going before any part of it."""
    literal = "/".join([*folders, base])
    for whole in (lambda file: file.path, lambda file: file.path.partition("/")[2]):
        if exact := [file for file in files if whole(file) == literal]:
            return exact
    named = [unaccented(folder) for folder in folders]
    shared = [_common_end(named, _folders(file)[0]) for file in files]
    return [file for file, count in zip(files, shared, strict=True) if count == max(shared)]
