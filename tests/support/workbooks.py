"""Excel files, written on the spot."""

from pathlib import Path

import openpyxl


def write_workbook(path: Path, *rows: list[object], before: int = 0) -> Path:
    """Write rows to a workbook's sheet, which has so many empty sheets before it; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    for _ in range(before):
        book.create_sheet(index=0)
    for row in rows:
        book.worksheets[before].append(row)
    book.save(path)
    return path
