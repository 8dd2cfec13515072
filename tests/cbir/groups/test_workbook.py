"""Tests of cbir.groups.workbook."""

from pathlib import Path
from xml.etree.ElementTree import fromstring
from zipfile import ZipFile

import openpyxl
import pandas as pd

from cbir.base.display import visible, visible_prose
from cbir.groups.rows import Summary, summarise
from cbir.groups.workbook import write_workbook
from tests.support.findings import EVIL, evil_rows, grouped, rows_of, thumbnails_of
from tests.support.manifests import manifest

SUMMARY = Summary(
    4, 0, 3, 1, 2, 3, 1, threshold=0.9, rule="=by hand", promise="None.", expected_precision=0.97, doubts=3
)


def write(path: Path, rows: pd.DataFrame, **options: object) -> Path:
    thumbnails = options.get("thumbnails", thumbnails_of(rows))
    write_workbook(path, rows, thumbnails, summary=SUMMARY, thumbnail_side=40)  # type: ignore[arg-type]
    return path


def cells(path: Path, column: str) -> list[object]:
    sheet = openpyxl.load_workbook(path)["Groups"]
    names = [cell.value for cell in sheet[1]]
    return [row[names.index(column)] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_every_row_has_its_picture(tmp_path: Path) -> None:
    table = manifest("a/1", "a/2", "a/3", copies={"b/1": "a/1"})
    path = write(tmp_path / "groups.xlsx", rows_of(grouped(g=("a/1", "a/2", "a/3")), table))
    sheet = openpyxl.load_workbook(path)["Groups"]
    assert cells(path, "File") == ["a/1", "b/1", "a/2", "a/3"]
    assert sorted(image.anchor._from.row for image in sheet._images) == [1, 2, 3, 4]
    assert all(image.anchor._from.col == 0 for image in sheet._images)
    assert sheet.row_dimensions[2].height >= 40 * 0.75


def test_rows_without_a_picture_keep_their_text(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1", "a/2")), manifest("a/1", "a/2"))
    path = write(tmp_path / "groups.xlsx", rows, thumbnails={})
    assert cells(path, "File") == ["a/1", "a/2"]
    assert not openpyxl.load_workbook(path)["Groups"]._images


def test_the_header_stays_in_sight_and_filters(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(write(tmp_path / "groups.xlsx", evil_rows()))["Groups"]
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == f"A1:O{2 * len(EVIL) + 1}"


def test_formula_like_and_link_like_texts_are_texts(tmp_path: Path) -> None:
    captions = [
        '=HYPERLINK("http://example.org")',
        "+1",
        "-1",
        "@SUM(1)",
        "https://example.org",
        "{=1+1}",
        "007",
        "\x01",
    ]
    names = [f"={place}/x" for place in range(len(captions))]
    rows = rows_of(grouped(g=tuple(names)), manifest(*names), dict(zip(names, captions, strict=True)))
    path = write(tmp_path / "groups.xlsx", rows)
    sheet = openpyxl.load_workbook(path)["Groups"]
    assert all(cell.data_type in "sn" and cell.hyperlink is None for row in sheet.iter_rows() for cell in row)
    assert set(cells(path, "File")) == set(names)
    assert set(captions[:-1]) < set(cells(path, "Caption"))
    assert openpyxl.load_workbook(path)["About"]["B11"].data_type == "s"


def test_evil_texts_come_through_as_they_are(tmp_path: Path) -> None:
    assert set(cells(write(tmp_path / "groups.xlsx", evil_rows()), "Caption")) == set(EVIL)


def test_a_name_with_any_control_character_damages_no_part_of_the_workbook(tmp_path: Path) -> None:
    hostile = "".join(map(chr, [*range(1, 13), *range(14, 32), *range(127, 160), 0x202E, 0xFFFE, 0xFFFF]))
    rows = rows_of(grouped(g=(f"a/{hostile}.jpg",)), manifest(f"a/{hostile}.jpg"), {f"a/{hostile}.jpg": hostile})
    path = write(tmp_path / "groups.xlsx", rows)
    with ZipFile(path) as parts:
        for part in parts.namelist():
            if part.endswith((".xml", ".rels")):
                fromstring(parts.read(part))
        drawing = parts.read("xl/drawings/drawing1.xml").decode()
    shown = f"a/{visible(hostile)}.jpg"
    assert f'descr="{shown}"' in drawing
    assert cells(path, "File") == [shown]
    assert cells(path, "Caption") == [visible_prose(hostile)]


def test_a_caption_longer_than_a_cell_is_cut(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1",)), manifest("a/1"), {"a/1": "é" * 40_000})
    assert cells(write(tmp_path / "groups.xlsx", rows), "Caption") == ["é" * 32_767]


def test_the_same_groups_give_the_same_bytes(tmp_path: Path) -> None:
    first, other = (write(tmp_path / name, evil_rows()).read_bytes() for name in ("1.xlsx", "2.xlsx"))
    assert first == other


def test_without_groups_the_workbook_opens(tmp_path: Path) -> None:
    table = manifest("a/1")
    rows = rows_of(grouped(), table)
    summary = summarise(table, rows, threshold=0.9, rule="by hand", promise="None.", expected_precision=0.97, doubts=3)
    write_workbook(tmp_path / "groups.xlsx", rows, {}, summary=summary, thumbnail_side=40)
    assert cells(tmp_path / "groups.xlsx", "File") == []
