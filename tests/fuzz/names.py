"""Tries names of files and texts of cells, by Hypothesis, which makes what fails as short as it can."""

from collections.abc import Callable, Iterator
from functools import cache
from time import process_time
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from cbir.base.display import visible
from cbir.labels.layouts.reading import names_in
from cbir.labels.names import NameIndex, compose, plain, unaccented
from cbir.spreadsheet import as_markdown, as_text
from tests.fuzz.verdicts import Case, Outcome, Verdict
from tests.support.manifests import manifest

EACH = 100  # names of one run of Hypothesis
_SECONDS = 0.5  # of processor time for one name
_FILES = ("one/scan_001.jpg", "one/Été à la gare (2).tif", "two/a b.png", "two/001.jpg", "two/日本.jpg", "two/a.b.tif")
_PIECES = (
    *("scan_001", "001", ".jpg", ".tif", "/", "\\", "..", " p", "#", "page ", "(", ")", '"', "«", "é", "e\u0301", "_"),
    *("=", "@", "<b>", "](javascript:x)", "`", "|", "&", ";", "\n", "\r", "\x85", "\u2028", "\u202e", "\x07", "\x1b["),
    *("\ud800", "\ufffe", "https://", "/full/max/0/default.jpg", "%2F", "%", "0" * 50, "١", "Ⅷ", "ﬁ", "ß", "İ", "\0"),
)
_BIDIRECTIONAL = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}

texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
    st.builds(lambda piece, times: piece * times, st.sampled_from(_PIECES), st.integers(1, 9_000)),
)


def try_all(number: int) -> Iterator[Verdict]:
    """Yields verdicts without end, each run of ``EACH`` names with its own seed."""
    while True:
        yield from _run(number)
        number += 1


def _run(number: int) -> list[Verdict]:
    """Tries ``EACH`` names; of those that fail the verdict on the shortest comes."""
    tried: list[str] = []

    @seed(number)
    @settings(
        max_examples=EACH,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[*HealthCheck],
    )
    @given(texts)
    def check(text: str) -> None:
        tried.append(text)
        require_harmless(text)

    try:
        check()
    except Exception as error:  # whatever a name leads to
        outcome = Outcome.HANG if isinstance(error, TimeoutError) else Outcome.CRASH
        return [Verdict(_case(tried[-1]), outcome, f"{type(error).__name__}: {error}")]
    return [Verdict(_case(text), Outcome.RIGHT) for text in tried]


def _case(text: str) -> Case:
    return Case("name", text.encode("utf-8", "surrogatepass"))


def require_harmless(text: str) -> None:
    """Raises an error where a text does more than it may as a name, a cell, or a line of a report.

    Raises:
        TimeoutError: it takes long.
        AssertionError: it is shown with what a terminal, a spreadsheet program or a browser would obey.
    """
    before = process_time()
    index = _index()
    match = index.match(text)
    assert (match.image_id is None) == (match.problem is not None)
    index.nearest(text)
    for name in names_in(text.strip(), lambda name: index.match(name).image_id is not None):
        index.match(name)
    for fold in (compose, plain, unaccented):
        fold(text)
    _require_text(text)
    if process_time() - before > _SECONDS:
        raise TimeoutError(f"{len(text)} characters took {process_time() - before:.1f} s")


def _require_text(text: str) -> None:
    """Raises AssertionError where a text that is shown is more than text."""
    shown = visible(text)
    assert shown.isprintable() or all(char.isprintable() or not _is_control(char) for char in shown)
    assert not _BIDIRECTIONAL & {*shown}
    ElementTree.fromstring(f"<name>{escape(shown)}</name>")
    assert not as_text(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    cell = as_markdown(text)
    bare = cell.replace("\\\\", "")
    assert all(bare[at - 1] == "\\" for at, char in enumerate(bare) if char in "[]()<>|`*_!")


def _is_control(char: str) -> bool:
    return ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F


@cache
def _index() -> NameIndex:
    return NameIndex(manifest(*_FILES))


def is_harmless(text: str) -> bool:
    """Tells whether :func:`require_harmless` is content."""
    check: Callable[[str], None] = require_harmless
    try:
        check(text)
    except Exception:
        return False
    return True
