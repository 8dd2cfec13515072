"""Shows progress, and texts from elsewhere (names of files, cells, captions), in which nothing is obeyed.

A control character may end a line, colour a terminal or damage a workbook, and one for the direction of writing may
show ``gpj.exe`` as ``exe.jpg``. Each is shown as U+FFFD, the replacement character.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")

_OVERRIDES = "\u202a-\u202e"  # directional embeddings and overrides
_MARKS = "\u061c\u200e\u200f\u2066-\u206f"  # directional marks and isolates, and what they took the place of
_NO_TEXT = "\ud800-\udfff\ufffe\uffff"  # half characters, and what XML forbids
_CONTROLS = "\x00-\x1f\x7f-\x9f"
_IN_NAMES = re.compile(f"[{_CONTROLS}\u2028\u2029{_OVERRIDES}{_MARKS}{_NO_TEXT}]")
_IN_PROSE = re.compile(f"(?![\t\n\r])[{_CONTROLS}{_OVERRIDES}{_NO_TEXT}]")


def visible(name: str) -> str:
    """Shows each control and directional character of a name, or of another text of one line, as U+FFFD."""
    return _IN_NAMES.sub("\ufffd", name)


def visible_lines(text: str) -> str:
    """Does the same to each line of a text."""
    return "\n".join(map(visible, text.split("\n")))


def visible_prose(text: str) -> str:
    """Does the same to a caption; its lines and tabs stay, and the marks that Arabic and Hebrew are written with."""
    return _IN_PROSE.sub("\ufffd", text)


class VisibleFormatter(logging.Formatter):
    """Shows control characters in log records.

    Args:
        lines: a message may have several lines; else all of it is shown as one, and only a traceback has its own.
    """

    def __init__(self, form: str | None = None, *, lines: bool = False) -> None:
        super().__init__(form)
        self._clean = visible_lines if lines else visible

    def format(self, record: logging.LogRecord) -> str:
        return visible_lines(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = self._clean(record.message)
        return super().formatMessage(record)


class Progress(Protocol):
    """The interface for progress: the caller hands in something like ``tqdm.tqdm``, the science only iterates.

    It passes an iterable's items on and shows how many of ``total`` have passed.
    """

    def __call__(
        self, iterable: Iterable[T], /, *, total: int | None = None, desc: str = "", unit: str = ""
    ) -> Iterable[T]: ...


def silent(iterable: Iterable[T], /, *, total: int | None = None, desc: str = "", unit: str = "") -> Iterator[T]:
    """Passes the items on and shows nothing."""
    yield from iterable
