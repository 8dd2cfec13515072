"""Writes the report as an Excel workbook: a row a file of a group, with its picture."""

import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter

from cbir.base.display import visible, visible_prose
from cbir.base.files import writing
from cbir.groups.rows import Summary, group_numbers, in_words
from cbir.reports.thumbnails import Thumbnail

_COLUMNS = [  # title, column of the rows, width in characters
    ("Picture", None, 0),
    ("Group", "group", 8),
    ("File", "file", 44),
    ("Page", "page", 7),
    ("Accession", "accession", 18),
    ("Best copy", "representative", 11),
    ("Probability", "similarity", 12),
    ("Evidence", "evidence", 12),
    ("Width", "width", 9),
    ("Height", "height", 9),
    ("Caption", "caption", 48),
    ("Caption in English", "caption_en", 48),
    ("Known group", "known_group", 16),
    ("Split", "split", 8),
    ("Group ID", "group_id", 36),
]
_PROSE = ("caption", "caption_en")
_MOST_ROWS = 1_048_575  # of a sheet, below its header
_MOST_CHARACTERS = 32_767  # of a cell
_MARGIN = 4  # px around a picture
_MADE = datetime(2000, 1, 1)  # the file's date; the same content gives the same bytes
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def write_workbook(
    path: Path, rows: pd.DataFrame, thumbnails: Mapping[str, Thumbnail], *, summary: Summary, thumbnail_side: int
) -> None:
    """Writes the rows of ``cbir.groups.rows.report_rows``, with a picture in each whose image_id is in ``thumbnails``.

    Texts are written as texts, whatever they begin with. Rows beyond what a sheet can hold are left to the CSV.
    """
    shown = rows.iloc[:_MOST_ROWS]
    with writing(path) as temporary, xlsxwriter.Workbook(str(temporary), _OPTIONS) as book:
        book.set_properties({"title": "Near-duplicate groups", "created": _MADE})
        sheet = book.add_worksheet("Groups")
        _lay_out(book, sheet, len(shown), thumbnail_side)
        styles = [_styles(book, shade) for shade in ("#FFFFFF", "#F3F1EC")]
        for place, row in enumerate(shown.itertuples(index=False), start=1):
            picture = thumbnails.get(row.image_id)
            if picture:
                sheet.set_row_pixels(place, thumbnail_side + 2 * _MARGIN)
                _insert(sheet, place, picture, row.file, thumbnail_side)
            _write_row(sheet, place, row, styles[row.group % 2])
        _write_about(book, summary, shown=len(shown), pictures=int(shown["image_id"].isin(thumbnails).sum()))


def _lay_out(book: Any, sheet: Any, rows: int, thumbnail_side: int) -> None:
    title = book.add_format({"bold": True, "bg_color": "#3B3A36", "font_color": "#FFFFFF", "valign": "vcenter"})
    sheet.set_row_pixels(0, 26)
    for column, (name, _, width) in enumerate(_COLUMNS):
        sheet.write_string(0, column, name, title)
        if width:
            sheet.set_column(column, column, width)
    sheet.set_column_pixels(0, 0, thumbnail_side + 2 * _MARGIN)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(rows, 1), len(_COLUMNS) - 1)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _styles(book: Any, shade: str) -> dict[str, Any]:
    cell = {"valign": "top", "bg_color": shade, "bottom": 1, "bottom_color": "#D9D5CB"}
    return {
        "text": book.add_format({**cell, "text_wrap": True}),
        "number": book.add_format(cell),
        "similarity": book.add_format({**cell, "num_format": "0.000"}),
    }


def _write_row(sheet: Any, place: int, row: Any, styles: dict[str, Any]) -> None:
    for column, (_, field, _) in enumerate(_COLUMNS):
        value = None if field is None else getattr(row, field)
        if field == "representative":
            value = "yes" if value else None
        if value is None or pd.isna(value):
            sheet.write_blank(place, column, None, styles["text"])
        elif isinstance(value, str):
            shown = visible_prose(value) if field in _PROSE else visible(value)
            sheet.write_string(place, column, shown[:_MOST_CHARACTERS], styles["text"])
        else:
            sheet.write_number(place, column, value, styles["similarity" if field == "similarity" else "number"])


def _insert(sheet: Any, place: int, picture: Thumbnail, name: str, side: int) -> None:
    options = {
        "image_data": io.BytesIO(picture.sheet),
        "x_offset": _MARGIN + (side - picture.width) // 2,
        "y_offset": _MARGIN + (side - picture.height) // 2,
        "object_position": 1,  # moves and hides with its row, so filters and sorting keep it in place
        "description": visible(name)[:255],
    }
    sheet.insert_image(place, 0, "picture.jpg", options)


def _write_about(book: Any, summary: Summary, *, shown: int, pictures: int) -> None:
    sheet = book.add_worksheet("About")
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 60)
    facts: list[tuple[str, str | float]] = [
        ("In short", in_words(group_numbers(summary))),
        ("Files in the archive", summary.files),
        ("Files rejected", summary.rejected),
        ("Images (exact copies once)", summary.images),
        ("Groups", summary.groups),
        ("Images in groups", summary.images_in_groups),
        ("Files in groups", summary.files_in_groups),
        ("Groups across accessions", summary.groups_across_accessions),
        ("Pairs in doubt (doubts.html)", summary.doubts),
        ("Probability threshold", round(summary.threshold, 4)),
        ("How it was chosen", summary.rule),
        ("What is promised", summary.promise),
        ("Rows in this workbook", shown),
        ("Rows with a picture", pictures),
        ("All rows", "groups.csv"),
    ]
    for place, (name, value) in enumerate(facts):
        sheet.write_string(place, 0, name)
        if isinstance(value, str):
            sheet.write_string(place, 1, value)
        else:
            sheet.write_number(place, 1, value)
