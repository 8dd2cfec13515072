"""Writes tables that people open in spreadsheet programs, and makes texts safe for cells, of Markdown too."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.base.display import visible, visible_prose
from cbir.base.files import writing

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")  # all of ASCII, each of which CommonMark lets a backslash escape


def write_csv(path: Path, table: pd.DataFrame, *, prose: Collection[str] = ()) -> None:
    """Writes a table for people: no text, heading or cell, of whatever column, runs as a formula or hides a character.

    UTF-8 with the mark by which Excel knows it, lines that end in LF, fractions with four digits, missing values empty.
    Line breaks inside a caption become LF too: a lone CR, which is not quoted, would end the row.

    Args:
        prose: names of the columns that hold captions.
    """
    safe = table.rename(columns=_cell)
    for name, column in zip(table.columns, safe.columns, strict=True):
        if not pd.api.types.is_numeric_dtype(safe[column]):
            cells = [_cell(value, prose=name in prose) for value in safe[column]]
            safe[column] = pd.Series(cells, index=safe.index, dtype=object)
    with writing(path) as temporary:
        safe.to_csv(temporary, index=False, encoding="utf-8-sig", float_format="%.4f", lineterminator="\n")


def _cell(value: Any, *, prose: bool = False) -> Any:
    if not isinstance(value, str):
        return value
    return as_text(value, prose=prose).replace("\r\n", "\n").replace("\r", "\n")


def as_text(value: str, *, prose: bool = False) -> str:
    """Returns the value, with an apostrophe before it where a spreadsheet program would take it for a formula.

    Args:
        prose: it is a caption, whose lines and directional marks stay; else control characters are shown.

    See OWASP, "CSV Injection": a file name such as ``=HYPERLINK(…)`` would be run by whoever opens the report.
    """
    shown = visible_prose(value) if prose else visible(value)
    return f"'{shown}" if value.startswith(_FORMULA) else shown


def as_markdown(value: str) -> str:
    """Escapes the value for Markdown, also for a cell of a table: nothing in it is a link, a mark or HTML.

    Some programs make a link of every bare address (``www.…``) in the finished text; it leads where it says.
    """
    return _PUNCTUATION.sub(r"\\\g<0>", visible(value))
