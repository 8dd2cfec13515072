import csv
from pathlib import Path

import pandas as pd
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.audit.conclusion import conclude
from cbir.audit.draw import draw_pairs
from cbir.audit.record import digest_of
from cbir.audit.sheet import read_verdicts, write_sheet
from cbir.base.errors import UserError
from tests.support.sheets import draw_sheet

NAMES = ["=1+1/a.jpg", "old/été;2.tif", "new/b.jpg"]
GROUPS = pd.DataFrame({"group_id": "a", "image_id": ["a", "b", "c"]})
MANIFEST = pd.DataFrame(
    [[image, path, page, path[:3], 1, 9, 9, "ok"] for image, path, page in zip("abc", NAMES, (0, 2, 0), strict=True)],
    columns=["image_id", "path", "page", "accession", "bytes", "width", "height", "status"],
).reindex(columns=SCHEMA.names)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return draw_sheet(tmp_path, GROUPS, MANIFEST)


def fill(sheet: Path, *verdicts: str, delimiter: str = ",", encoding: str = "utf-8-sig") -> None:
    """Writes verdicts as a spreadsheet program saves them."""
    header, *rows = csv.reader(sheet.read_text(encoding="utf-8-sig").splitlines())
    place = header.index("verdict")
    for row, verdict in zip(rows, verdicts, strict=False):
        row[place] = verdict
    with sheet.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


def test_a_sheet_has_both_names_links_and_an_empty_verdict_and_no_cell_runs(sheet: Path) -> None:
    rows = list(csv.DictReader(sheet.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert {row["verdict"] for row in rows} == {""}
    shown = {row[side] for row in rows for side in ("first", "second")}
    assert shown == {"'=1+1/a.jpg", "old/été;2.tif, page 3", "new/b.jpg"}
    links = {row["second_link"] for row in rows} | {row["first_link"] for row in rows}
    assert all(link.startswith("file:///") for link in links)
    assert any(link.endswith("/raw/old/%C3%A9t%C3%A9%3B2.tif") for link in links)
    assert {row["report"] for row in rows} == {"index.html#a"}
    assert {row["sheet"] for row in rows} == {f"{digest_of(GROUPS)}-3-0"}


def test_verdicts_are_read_from_whatever_a_spreadsheet_program_makes_of_the_sheet(sheet: Path) -> None:
    fill(sheet, "Right", " wrong ", "", delimiter=";", encoding="cp1252")
    verdicts = read_verdicts(sheet)
    assert (verdicts.pairs, verdicts.judged, verdicts.wrong) == (3, 2, 1)


def test_a_pair_of_which_nobody_is_sure_counts_as_wrong(sheet: Path) -> None:
    fill(sheet, "right", "unsure", "right")
    audit = conclude(sheet, read_verdicts(sheet), GROUPS, date="2026-11-28")
    assert (audit.judged, audit.wrong, audit.pairs) == (3, 1, 3)
    assert audit.precision == 2 / 3  # all pairs that there are


def test_a_verdict_that_is_none_is_named_with_its_row(sheet: Path) -> None:
    fill(sheet, "right", "maybe")
    with pytest.raises(UserError, match=r"audit\.csv, row 3: verdict must be right, wrong or unsure, is 'maybe'"):
        read_verdicts(sheet)


def test_a_row_that_is_left_out_is_missed_for_the_hard_pairs_count_too(sheet: Path) -> None:
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    sheet.write_text("\n".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(UserError, match="must have the rows 1 to 3 once each, lacks 1 and has 0 more"):
        read_verdicts(sheet)
    sheet.write_text("\n".join([*lines, lines[-1]]), encoding="utf-8")
    with pytest.raises(UserError, match="lacks 0 and has 1 more"):
        read_verdicts(sheet)


def test_a_sheet_of_other_groups_is_refused(sheet: Path) -> None:
    fill(sheet, "right", "right", "right")
    with pytest.raises(UserError, match=r"was drawn from other groups than are published now; `cbir audit draw` makes"):
        conclude(sheet, read_verdicts(sheet), GROUPS.iloc[:2], date="2026-11-28")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "number,verdict,sheet\n1,right,other\n"])
def test_another_table_is_no_sheet(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(UserError, match="sheet of"):
        read_verdicts(path)


def test_a_sheet_with_verdicts_is_not_written_over(sheet: Path, tmp_path: Path) -> None:
    drawn = draw_pairs(GROUPS, count=3, seed=1)
    options = {"groups": GROUPS, "manifest": MANIFEST, "archive": tmp_path / "raw", "seed": 1}
    write_sheet(sheet, drawn, **options)
    fill(sheet, "right")
    with pytest.raises(UserError, match="has verdicts on it; report it first"):
        write_sheet(sheet, drawn, **options)
