import datetime
import zipfile
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from cbir.labels.tables.rows import Row, read_table
from cbir.labels.tables.workbooks import read_workbook
from tests.support.workbooks import write_workbook


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def test_an_excel_row_keeps_its_number_and_blank_rows_stay(tmp_path: Path) -> None:
    rows = read_table(write_workbook(tmp_path / "t.xlsx", [None, "a"], [], ["b "], [None])).rows
    assert [(row.cell(0), row.cell(1)) for row in rows] == [("", "a"), ("", ""), ("b", "")]
    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.is_blank for row in rows] == [False, True, False]


def test_excel_numbers_and_days_read_as_they_were_typed(tmp_path: Path) -> None:
    values = [12.0, 12.5, 7, datetime.datetime(1914, 8, 3), True]
    assert read_table(write_workbook(tmp_path / "t.xlsx", values)).rows[0].cells == (
        "12",
        "12.5",
        "7",
        "1914-08-03",
        "True",
    )


def test_the_first_sheet_with_text_is_read(tmp_path: Path) -> None:
    assert read_table(write_workbook(tmp_path / "t.xlsx", ["a"], before=2)).rows[0].cells == ("a",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-32"])
def test_a_csv_is_read_in_the_encodings_of_spreadsheet_programs(tmp_path: Path, encoding: str) -> None:
    path = text(tmp_path / "t.csv", "Chérau;été\r\n\r\nŒuvre;b\r\n", encoding)
    assert read_table(path).rows == (Row(1, ("Chérau", "été")), Row(2, ()), Row(3, ("Œuvre", "b")))


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_delimiter_is_found_although_names_hold_others(tmp_path: Path, delimiter: str) -> None:
    others = "".join(char for char in ";,|" if char != delimiter)
    lines = [delimiter.join([f"a{number}", f"b {others[number % 2]} c", "1"]) for number in range(6)]
    assert read_table(text(tmp_path / "t.csv", "\n".join(lines))).rows[1].cells == ("a1", f"b {others[1]} c", "1")


def test_rows_of_different_length_are_split_too(tmp_path: Path) -> None:
    assert [len(row.cells) for row in read_table(text(tmp_path / "t.csv", "a,b\nc,d,e\nf,g,h,i\nj\n")).rows] == [
        2,
        3,
        4,
        1,
    ]


def test_quoted_cells_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    rows = read_table(text(tmp_path / "t.csv", 'a;"b; c\nd"\ne;f\n')).rows
    assert rows == (Row(1, ("a", "b; c\nd")), Row(3, ("e", "f")))


def test_a_quotation_mark_that_never_closes_swallows_no_rows(tmp_path: Path) -> None:
    rows = read_table(text(tmp_path / "t.csv", 'a;p;"Le Miroir\nb;p;text\nc;p;the "Echo" again\n')).rows
    assert [row.cell(0) for row in rows] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text",
    [
        'scan_1.jpg;"scan_2.jpg"\nscan_3.jpg;"scan_0',  # cut off within the last cell
        '"a.jpg\nb.jpg"\n"c.jpg\nd.jpg\n',  # and where a line of it ends
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_that_ends_within_a_quoted_cell_is_refused(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    with pytest.raises(UserError, match=r"t\.csv ends within a cell in quotation marks; bring the whole file in"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.xlsx", b"a;b\n", "is not an Excel workbook (its content is of another kind)"),
        ("t.xlsx", b"PK\x03\x04rubbish", "is not an Excel workbook (it is damaged)"),
        ("t.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1", "old .xls format"),
        ("t.xlsx", b"", "it is empty"),
        ("t.csv", b"PK\x03\x04rubbish", "is an Excel workbook and no text"),
        ("t.csv", b"a\x81\xffb", "no text in UTF-8, UTF-16 or Windows-1252 (line 1, byte 1 of the file); save it"),
        ("t.csv", "a.jpg;p;Été\nb.jpg;p;Кавалерия".encode("cp1251", "replace"), "(line 2, byte"),
        ("t.csv", "a.jpg;p;Στρατιώτες".encode("cp1253"), "no text in UTF-8"),
        ("t.csv", "a.jpg;p;جنود في الخندق".encode("cp1256"), "no text in UTF-8"),
        ("t.csv", "a.jpg;p;士兵在战壕里".encode("gb18030"), "no text in UTF-8"),
        ("t.csv", "a;blessés à l'hôpital\nb;église".encode() + "\nc;été\n".encode("cp1252"), "(line 3, byte 37 "),
        ("t.csv", b"abcd\0", "no text in UTF-8"),
        ("t.csv", b"\xff\xfea", "no text in UTF-8"),
        ("t.csv", b" \n;;\n", "holds no cell with text"),
        ("t.csv", b"a.jpg,b.jpg\n" + b"q" * 131_073 + b",c.jpg\n", "131073 characters in a cell of row 2"),
        ("t.csv", b'"' + b"p" * 200_000 + b'",c.jpg\n', "200000 characters in a cell of row 1"),
        ("t.csv", (b"," * 9_999 + b"\n") * 260, "cells, more than a table may have (2500000)"),
        ("t.csv", b"a.jpg," * 300_000, "300001 columns in row 1, more than a table may have (16384)"),
        pytest.param("t.csv", b"\n" * 1_100_000, "1048577 rows, more than a table may have", marks=pytest.mark.heavy),
        ("t.csv", bytes(5000), "no text in UTF-8"),
        ("t.pdf", b"x", "neither .xlsx nor .csv"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_table(tmp_path / name)
    assert what in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(UserError, match="is not an Excel workbook"):
        read_table(tmp_path / "t.xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cbir.labels.tables.workbooks._LARGEST", 50_000)
    path = write_workbook(tmp_path / "t.xlsx", *[["a" * 90]] * 2000)
    assert path.stat().st_size < 50_000
    with pytest.raises(UserError, match="unpacks to"):
        list(read_workbook(path))


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(UserError, match="is not a file"):
        read_table(tmp_path / "t.csv")


def test_the_formula_by_which_a_csv_keeps_zeros_is_read_as_its_text(tmp_path: Path) -> None:
    rows = read_table(text(tmp_path / "t.csv", '="0007";="0008"\n')).rows
    assert rows[0].cells == ("0007", "0008")
