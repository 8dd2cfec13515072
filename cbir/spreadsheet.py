"""Writes tables that people open in spreadsheet programs, and makes texts safe for cells, of Markdown too."""

from pathlib import Path
from typing import Any

import pandas as pd

from cbir.files import writing

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Writes a table for people: no text, heading or cell, of whatever column, runs as a formula.

    UTF-8 with the mark by which Excel knows it, lines that end in LF, fractions with four digits, missing values empty.
    Line breaks inside a text become LF too: a lone CR, which is not quoted, would end the row.
    """
    safe = table.rename(columns=_cell)
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = pd.Series(map(_cell, safe[column]), index=safe.index, dtype=object)
    with writing(path) as temporary:
        safe.to_csv(temporary, index=False, encoding="utf-8-sig", float_format="%.4f", lineterminator="\n")


def _cell(value: Any) -> Any:
    return as_text(value).replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value


def as_text(value: str) -> str:
    """Returns the value, with an apostrophe before it where a spreadsheet program would take it for a formula.

    See OWASP, "CSV Injection": a file name such as ``=HYPERLINK(…)`` would be run by whoever opens the report.
    """
    return f"'{value}" if value.startswith(_FORMULA) else value


def as_markdown(value: str) -> str:
    """Escapes the value for a cell of a Markdown table, which it cannot break out of; names of files are untrusted."""
    return value.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")
