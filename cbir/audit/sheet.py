"""Writes the sheet of pairs that a person judges, and reads the verdicts."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cbir.archive.manifest import unique_images
from cbir.audit.record import digest_of
from cbir.base.errors import UserError
from cbir.labels.tables.rows import Row, read_table
from cbir.spreadsheet import write_csv

VERDICTS = {"right": True, "wrong": False, "unsure": False}  # a pair that nobody is sure of promises nothing
COLUMNS = (
    *("number", "verdict", "first", "second", "first_link", "second_link", "report", "sheet"),
    *("first_image", "second_image", "person", "time"),
)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on a sheet.

    Attributes:
        sheet: its name, which says from which groups it was drawn, how many pairs, and by which seed.
        pairs: on the sheet.
        judged: that have a verdict.
        wrong: that are wrong or unsure.
    """

    sheet: str
    pairs: int
    judged: int
    wrong: int


def write_sheet(
    path: Path, drawn: pd.DataFrame, *, groups: pd.DataFrame, manifest: pd.DataFrame, archive: Path, seed: int
) -> None:
    """Writes a row a pair of :func:`cbir.audit.draw.draw_pairs`: files, links, and an empty verdict.

    Args:
        path: of the sheet, a CSV beside the report.
        archive: the folder of the images.

    Raises:
        UserError: a sheet with verdicts is there.
    """
    if path.exists() and read_verdicts(path).judged:
        raise UserError(f"{path} has verdicts on it; report it first, and move it away")
    files = unique_images(manifest).set_index("image_id")
    table = pd.DataFrame({"number": range(1, len(drawn) + 1), "verdict": ""})
    for side in ("first", "second"):
        rows = files.loc[drawn[side]]
        pages = [f", page {page + 1}" if page else "" for page in rows["page"]]
        table[side] = [f"{path}{page}" for path, page in zip(rows["path"], pages, strict=True)]
        table[f"{side}_image"] = drawn[side].to_numpy()
        table[f"{side}_link"] = [(archive.absolute() / path).as_uri() for path in rows["path"]]
    table["report"] = [f"index.html#{group_id}" for group_id in drawn["group_id"]]
    table["sheet"] = f"{digest_of(groups)}-{len(drawn)}-{seed}"
    write_csv(path, table.assign(person="", time="")[[*COLUMNS]])


def read_verdicts(path: Path) -> Verdicts:
    """Reads a sheet that a person has filled in, in whatever order of rows and columns, as CSV or Excel.

    Raises:
        UserError: it is no sheet of an audit, a row is missing or there twice, or a verdict is none.
    """
    header, *rows = read_table(path).rows
    column = {name.strip().lower(): place for place, name in enumerate(header.cells)}
    if not {"number", "verdict", "sheet"} <= column.keys():
        raise UserError(f"{path} is no sheet of an audit: it lacks a column number, verdict or sheet; "
                        "`cbir audit draw` makes one")  # fmt: skip
    rows = [row for row in rows if not row.is_blank]
    sheets = {row.cell(column["sheet"]).strip() for row in rows}
    if len(sheets) != 1 or len(name := min(sheets)) < 20 or not name.split("-")[1].isdecimal():
        raise UserError(f"{path} must be one sheet of `cbir audit draw`, has rows of {len(sheets)}")
    pairs = int(name.split("-")[1])
    _require_all(path, sorted(row.cell(column["number"]).strip() for row in rows), pairs)
    given = [_verdict(path, row, column["verdict"]) for row in rows]
    return Verdicts(name, pairs, sum(v is not None for v in given), sum(v is False for v in given))


def _require_all(path: Path, numbers: list[str], pairs: int) -> None:
    wanted = {str(number) for number in range(1, pairs + 1)}
    missing, extra = wanted.difference(numbers), len(numbers) - len(wanted.intersection(numbers))
    if missing or extra:
        raise UserError(f"{path} must have the rows 1 to {pairs} once each, lacks {len(missing)} and has {extra} more: "
                        "a pair that is hard to judge counts too; write unsure")  # fmt: skip


def _verdict(path: Path, row: Row, column: int) -> bool | None:
    word = row.cell(column).strip().lower()
    if word and word not in VERDICTS:
        raise UserError(f"{path}, row {row.number}: verdict must be right, wrong or unsure, is {word!r}")
    return VERDICTS[word] if word else None
