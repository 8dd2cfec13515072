"""cbir.labels.tables.workbooks: what openpyxl reads, without what makes a small file take all memory."""

import datetime
import io
import random
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from cbir.base.errors import UserError
from cbir.labels.tables.rows import read_table
from cbir.labels.tables.workbooks import read_workbook
from tests.support.workbooks import write_workbook

SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def with_sheet(path: Path, rows: str, *, part: str = SHEET, of: str = "worksheet") -> Path:
    """A workbook whose sheet (or other part) is this XML."""
    buffer = io.BytesIO()
    openpyxl.Workbook().save(buffer)
    inner = f"<sheetData>{rows}</sheetData>" if of == "worksheet" else rows
    with zipfile.ZipFile(buffer) as before, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            if entry.filename != part:
                after.writestr(entry, before.read(entry))
        after.writestr(part, f'<?xml version="1.0"?><{of} xmlns="{MAIN}">{inner}</{of}>')
    return path


def cell(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def rows_of(path: Path) -> list[tuple[int, tuple[str, ...]]]:
    """The full rows of the first sheet."""
    return next(list(sheet.rows) for sheet in read_workbook(path))


def naive(path: Path) -> list[tuple[int, list[str]]]:
    """The full rows as openpyxl gives them cell by cell."""
    rows = []
    for number, values in enumerate(openpyxl.load_workbook(path, data_only=True).worksheets[0].values, start=1):
        texts = ["" if value is None else str(value).strip() for value in values]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            rows.append((number, texts))
    return rows


def test_cells_are_those_that_openpyxl_reads(tmp_path: Path) -> None:
    draws = random.Random(0)
    values = [7, 1.5, True, "a & b <c>", "  é ", None, datetime.datetime(1914, 8, 3, 5), datetime.time(4, 30), "#N/A"]
    values += [CellRichText("plain ", TextBlock(InlineFont(b=True), "bold")), datetime.timedelta(hours=30)]
    book = openpyxl.Workbook()
    for row in range(1, 60):
        for column in range(1, draws.choice([1, 4, 12])):
            book.active.cell(row * draws.choice([1, 1, 3]), column, draws.choice(values))
    book.save(tmp_path / "t.xlsx")
    assert [(number, list(cells)) for number, cells in rows_of(tmp_path / "t.xlsx")] == naive(tmp_path / "t.xlsx")


def test_shared_texts_are_those_that_openpyxl_reads_without_how_they_are_spoken(tmp_path: Path) -> None:
    texts = "<si><t>plain</t></si><si><r><t>two </t></r><r><t>runs</t></r></si>"
    texts += "<si><t>東京</t><rPh sb='0' eb='2'><t>x</t></rPh></si>"
    rows = '<row r="1">' + "".join(f'<c r="{c}1" t="s"><v>{n}</v></c>' for n, c in enumerate("ABC")) + "</row>"
    path = with_sheet(tmp_path / "a.xlsx", rows)
    with zipfile.ZipFile(path) as book:
        parts = {entry.filename: book.read(entry).decode() for entry in book.infolist()}
    parts["xl/sharedStrings.xml"] = f'<?xml version="1.0"?><sst xmlns="{MAIN}">{texts}</sst>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/>'
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace("</Types>", f"{override}</Types>")
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    assert rows_of(path) == [(1, ("plain", "two runs", "東京"))]
    assert naive(path) == [(1, ["plain", "two runs", "東京"])]


def test_a_sheet_that_is_formatted_far_below_its_names_is_read_in_no_time(tmp_path: Path) -> None:
    blank = "".join(
        f'<row r="{k}" s="1" customFormat="1"><c r="A{k}" s="1"/><c r="B{k}" s="1"/></row>' for k in range(2, 100_000)
    )
    last = f'<row r="100000">{cell("B100000", "last")}</row>'
    path = with_sheet(tmp_path / "t.xlsx", f'<row r="1">{cell("A1", "first")}</row>{blank}{last}')
    assert rows_of(path) == [(1, ("first",)), (100_000, ("", "last"))]
    rows = read_table(path).rows
    assert [rows[0].cells, rows[1].cells, rows[-1].cells] == [("first",), (), ("", "last")]
    assert [row.number for row in rows] == list(range(1, 100_001))


def test_cells_without_a_reference_stand_one_after_the_other(tmp_path: Path) -> None:
    plain = "<c t='inlineStr'><is><t>x</t></is></c>"
    path = with_sheet(tmp_path / "t.xlsx", f"<row/><row><c/>{plain}{plain}</row><row>{plain}</row>")
    assert rows_of(path) == [(2, ("", "x", "x")), (3, ("x",))]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (f'<row r="2000000000">{cell("A2000000000", "x")}</row>', r"row 2000000000, beyond Excel's last \(1048576\)"),
        (f'<row r="1048577">{cell("A1048577", "x")}</row>', "row 1048577"),
        (f'<row r="1">{cell("XFE1", "x")}</row>', r"column 16385, beyond Excel's last \(16384\)"),
        (f'<row r="1">{cell("ZZZ1", "x")}</row>', "column 18278"),
        (f'<row r="1">{cell("A1", "x" * 32768)}</row>', r"32768 characters in a cell of row 1.*\(32767\)"),
        (
            "".join(f'<row r="{k}">{cell(f"XFD{k}", "x")}</row>' for k in range(1, 200)),
            "cells, more than a table may have",
        ),
        (f'<row r="abc">{cell("A1", "x")}</row>', "it is damaged"),
        ('<row r="1"><c r="A1" t="s"><v>9999</v></c></row>', "it is damaged"),
    ],
)
def test_what_no_excel_has_written_costs_one_sentence(tmp_path: Path, rows: str, sentence: str) -> None:
    path = with_sheet(tmp_path / "t.xlsx", rows)
    with pytest.raises(UserError, match=sentence) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.heavy
def test_a_small_file_that_unpacks_to_much_text_costs_one_sentence_and_the_next_is_read(tmp_path: Path) -> None:
    bomb = with_sheet(tmp_path / "bomb.xlsx", cell("A1", "a" * 400_000_000))
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(UserError, match=r"bomb\.xlsx") as caught:
        read_table(bomb)
    assert "\n" not in str(caught.value)
    assert read_table(with_sheet(tmp_path / "t.xlsx", f'<row r="1">{cell("A1", "x")}</row>')).rows[0].cells == ("x",)


def formula(path: Path, inner: str, kind: str = "") -> Path:
    """A workbook with a formula in D2, and what a program has kept of its result."""
    return with_sheet(path, f'<row r="2">{cell("A2", "x")}<c r="D2"{kind}><f>A2</f>{inner}</c></row>')


@pytest.mark.parametrize("inner", ["", "<v/>", "<v></v>"])
def test_a_formula_without_a_value_is_refused_by_its_cell(tmp_path: Path, inner: str) -> None:
    with pytest.raises(UserError, match=r"t\.xlsx has a formula without a value in cell D2; open the file in"):
        read_table(formula(tmp_path / "t.xlsx", inner))


def test_a_formula_reads_as_its_value_and_an_empty_text_is_one(tmp_path: Path) -> None:
    kept = formula(tmp_path / "a.xlsx", "<v>photo.jpg</v>", ' t="str"')
    assert rows_of(kept) == [(2, ("x", "", "", "photo.jpg"))]
    assert rows_of(formula(tmp_path / "b.xlsx", "<v></v>", ' t="str"')) == [(2, ("x",))]


def test_what_openpyxl_writes_of_a_formula_has_no_value(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in cell B1"):
        read_table(write_workbook(tmp_path / "t.xlsx", ["a.jpg", '=A1&"x"']))


def test_a_zero_that_waits_for_its_formula_to_be_computed_is_no_value(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as book:
        book.add_worksheet().write_formula("D3", '=A1&".jpg"')
    with pytest.raises(UserError, match="in cell D3"):
        read_table(tmp_path / "t.xlsx")
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as book:
        book.add_worksheet().write_formula("D3", '=A1&".jpg"', value="a.jpg")
    assert rows_of(tmp_path / "t.xlsx") == [(3, ("", "", "", "a.jpg"))]


def test_names_made_by_a_number_format_read_as_they_are_shown(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row, (value, form) in enumerate([(7, "0000"), (12, '"IMG_"000'), (7, "General"), (1914, "#,##0")], start=1):
        book.active.cell(row, 1, value).number_format = form
    book.save(tmp_path / "t.xlsx")
    assert [row.cell(0) for row in read_table(tmp_path / "t.xlsx").rows] == ["0007", "IMG_012", "7", "1914"]


def with_sheets(path: Path, **states: str) -> Path:
    """A workbook of these sheets, each with its own name as the only cell; ``empty``: visible, without text."""
    book = openpyxl.Workbook()
    for title, state in states.items():
        sheet = book.create_sheet(title)
        if state == "empty":
            continue
        sheet["A1"], sheet.sheet_state = title, state
    del book["Sheet"]
    book.active = [*states.values()].index("visible") if "visible" in states.values() else 0
    book.save(path)
    return path


@pytest.mark.parametrize("hidden", ["hidden", "veryHidden"])
def test_the_first_sheet_that_one_sees_is_read_and_the_others_are_named(tmp_path: Path, hidden: str) -> None:
    path = with_sheets(tmp_path / "t.xlsx", draft=hidden, blank="empty", groups="visible", old="visible", rest="empty")
    table = read_table(path)
    assert table.rows[0].cells == ("groups",)
    assert (table.sheet, table.left_out) == ("groups", ('"draft" (hidden)', '"old"'))
    assert table.sheets == 'sheet "groups" was read, not "draft" (hidden), "old"'


def test_one_sheet_alone_is_not_spoken_of(tmp_path: Path) -> None:
    table = read_table(with_sheets(tmp_path / "t.xlsx", groups="visible", blank="empty"))
    assert (table.sheet, table.left_out, table.sheets) == ("groups", (), "")


def test_text_on_hidden_sheets_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'holds text on hidden sheets alone \("draft" \(hidden\)\); unhide the sheet'):
        read_table(with_sheets(tmp_path / "t.xlsx", blank="empty", draft="hidden"))


def test_what_is_wrong_with_a_sheet_that_is_not_read_is_no_matter(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "a.jpg"
    book.create_sheet("sums")["A1"] = "=1+1"
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").left_out == ('"sums"',)


def test_strict_open_xml_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["D1"], book.active["D2"], book.active["D2"].number_format = "a.jpg", 7, "000"
    book.save(tmp_path / "usual.xlsx")
    main, relations = "spreadsheetml", "officeDocument/relationships"
    with zipfile.ZipFile(tmp_path / "usual.xlsx") as usual, zipfile.ZipFile(tmp_path / "strict.xlsx", "w") as strict:
        for name in usual.namelist():
            data = usual.read(name).replace(MAIN.encode(), f"http://purl.oclc.org/ooxml/{main}/main".encode())
            old = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
            strict.writestr(name, data.replace(old, f"http://purl.oclc.org/ooxml/{relations}".encode()))
    assert rows_of(tmp_path / "strict.xlsx") == [(1, ("", "", "", "a.jpg")), (2, ("", "", "", "007"))]


def test_a_workbook_with_a_password_is_refused_as_one(tmp_path: Path) -> None:
    container = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096)
    (tmp_path / "t.xlsx").write_bytes(container + "EncryptionInfo".encode("utf-16-le") + bytes(90))
    with pytest.raises(UserError, match=r"of the old \.xls format, or has a password"):
        read_table(tmp_path / "t.xlsx")
    (tmp_path / "t.xlsx").write_bytes(container * 9 + "EncryptedPackage".encode("utf-16-le") + bytes(90))
    with pytest.raises(UserError, match=r"t\.xlsx is protected by a password; save it without one"):
        read_table(tmp_path / "t.xlsx")
