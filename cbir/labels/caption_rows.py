"""Reads captions from a text file divided by ``;``: path, prompt and description in each row, or path and caption."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cbir.base.errors import UserError
from cbir.labels.names import plain
from cbir.labels.tables.rows import Row, read_table


@dataclass(frozen=True)
class Described:
    """Holds a row of the file: an image's name as it is written, and its caption."""

    row: int
    name: str
    text: str


@dataclass(frozen=True)
class CaptionRows:
    """Holds the rows that have all columns, and the others.

    Attributes:
        prompts: in the order of the rows; none where the file has no column of prompts.
    """

    described: tuple[Described, ...]
    prompts: tuple[str, ...] = ()
    too_short: tuple[Row, ...] = ()

    def begun_by(self, prompt: str, source: Path) -> list[Described]:
        """Returns the rows whose prompt begins so, without regard to case and spaces.

        Raises:
            UserError: no prompt begins so.
        """
        if not prompt:
            return [*self.described]
        pairs = zip(self.described, self.prompts, strict=False)
        chosen = [row for row, written in pairs if plain(written).startswith(plain(prompt))]
        if not chosen:
            commonest = Counter(self.prompts).most_common(1)
            hint = f'the commonest is "{commonest[0][0]}"' if commonest else 'it has no prompts; set it to ""'
            raise UserError(f'groundtruth.caption_prompt is "{prompt}", but no prompt in {source} begins so; {hint}')
        return chosen


def read_captions(source: Path) -> CaptionRows:
    """Reads the rows of a file, in which a caption may hold a ``;``.

    It has prompts where all rows have three columns or more, or else where prompts are repeated.

    Raises:
        UserError: it cannot be read as captions, or it is unclear whether it has a column of prompts.
    """
    rows = [row for row in read_table(source, delimiter=";").rows if not row.is_blank]
    if not any(len(row.cells) >= 2 for row in rows):
        raise UserError(
            f"{source} must have an image's path, a prompt and a description in each row, or its path and a caption, "
            "divided by ;"
        )
    columns = 3 if _have_prompts(rows, source) else 2
    whole = [row for row in rows if len(row.cells) >= columns]
    described = tuple(
        Described(row.number, row.cell(0), ";".join(row.cells[columns - 1 :]).strip("; ")) for row in whole
    )
    prompts = tuple(row.cell(1) for row in whole) if columns == 3 else ()
    return CaptionRows(described, prompts, tuple(row for row in rows if len(row.cells) < columns))


def _have_prompts(rows: Sequence[Row], source: Path) -> bool:
    wide = [row for row in rows if _width(row) > 2]
    narrow = [row for row in rows if _width(row) == 2]
    if all(len(row.cells) > 2 for row in rows) and _are_shared(rows):
        return True
    if wide and not narrow:
        return True
    known = _prompts(narrow) <= _prompts(wide)
    if narrow and _are_shared(wide) and (known or len(wide) >= len(narrow)):
        return True
    if len(narrow) > len(wide) or not wide:
        return False
    raise UserError(
        f"{source} has a second ; in {len(wide)} of {len(rows)} rows, such as row {wide[0].number}, and what stands "
        "before it is no prompt that rows share; put captions that hold a ; in quotation marks, or a prompt in each row"
    )


def _prompts(rows: Sequence[Row]) -> set[str]:
    return {row.cell(1) for row in rows}


def _are_shared(rows: Sequence[Row]) -> bool:
    """Tells whether each prompt stands in two rows or more, on average."""
    return bool(rows) and 2 * len(_prompts(rows)) <= len(rows)


def _width(row: Row) -> int:
    """Counts the columns up to the last full one; spreadsheet programs make all rows alike by empty ones."""
    return max((place for place, cell in enumerate(row.cells, start=1) if cell), default=0)
