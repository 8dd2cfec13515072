from pathlib import Path

import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.labels.captions import Captions, check_captions, find_captions
from cbir.labels.names import NameIndex
from tests.support.manifests import image_id_of, manifest
from tests.support.workbooks import write_workbook

ARCHIVE = manifest("acc/press/a.jpg", "acc/press/b.jpg", "acc/été.tif", copies={"acc/copy.jpg": "acc/press/a.jpg"})


def find(source: Path, archive: pd.DataFrame = ARCHIVE, prompt: str = "") -> Captions:
    return find_captions(source, manifest=archive, index=NameIndex(archive), prompt=prompt)


def csv_file(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "captions.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_csv_gives_each_image_its_first_description(tmp_path: Path, encoding: str) -> None:
    lines = [
        "images/press/a.jpg;showing;Une tranchée; à Verdun",
        "a;showing;another",
        "ÉTÉ;showing;L'été",
        "press/b.jpg;x;EMPTY",
    ]
    captions = find(csv_file(tmp_path, *lines, encoding=encoding))
    assert captions.texts == {
        image_id_of("acc/press/a.jpg"): "Une tranchée;à Verdun",
        image_id_of("acc/été.tif"): "L'été",
    }
    assert (captions.read, captions.notes) == (3, ())


def test_only_rows_of_the_prompt_are_taken(tmp_path: Path) -> None:
    source = csv_file(
        tmp_path, "a;A  Newspaper clipping of;one", "a;a photo of;two", "b;a newspaper;EMPTY", "b;a photo of;three"
    )
    assert find(source, prompt="a newspaper").texts == {image_id_of("acc/press/a.jpg"): "one"}
    assert find(source, prompt="a photo").texts == {
        image_id_of("acc/press/a.jpg"): "two",
        image_id_of("acc/press/b.jpg"): "three",
    }


def test_a_prompt_that_is_nowhere_is_refused_with_the_commonest(tmp_path: Path) -> None:
    source = csv_file(tmp_path, "a;a photo of;one", "b;a photo of;two", "c;else;three")
    with pytest.raises(UserError, match='the commonest is "a photo of"'):
        find(source, prompt="newspaper")


def test_names_of_captions_that_match_nothing_are_reported_once(tmp_path: Path) -> None:
    captions = find(csv_file(tmp_path, "a;p;one", "press/bb.jpg;p;two", "press/bb.jpg;q;three"))
    assert [(note.row, note.name, note.problem) for note in captions.notes] == [(2, "press/bb.jpg", "no such file")]


def test_a_csv_without_three_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="divided by ;"):
        find(csv_file(tmp_path, "a,p,one"))
    with pytest.raises(UserError, match="divided by ;"):
        check_captions(csv_file(tmp_path, "a,p,one"))


def test_rows_with_too_few_columns_are_reported_and_counted(tmp_path: Path) -> None:
    captions = find(csv_file(tmp_path, "press/a;one", "press/b", "été;two"))
    assert (len(captions.texts), captions.read, captions.unread) == (2, 2, 1)
    assert [(note.row, note.name, note.problem, note.advice) for note in captions.notes] == [
        (2, "press/b", "too few columns", "complete the row")
    ]


ALBUMS = manifest("acc/Album 1/p001.jpg", "acc/Album 1/p002.jpg", "acc/Album 2/x/p001.jpg", "acc/p001.jpg")


def test_each_sheet_of_a_folder_is_about_the_sub_folder_of_its_name(tmp_path: Path) -> None:
    write_workbook(
        tmp_path / "captions" / "album_1.xlsx", ["Num photo", "Légendes"], [1, "one"], [2, "EMPTY"], [3, "three"]
    )
    write_workbook(tmp_path / "captions" / "Album 2.xlsx", ["LEGEND", "Num page"], ["un", "001"])
    (tmp_path / "captions" / "~$Album 2.xlsx").write_text("Excel keeps such a file of an open one")
    (tmp_path / "captions" / "read me.txt").write_text("x")
    captions = find(tmp_path / "captions", ALBUMS)
    assert captions.texts == {image_id_of("acc/Album 1/p001.jpg"): "one", image_id_of("acc/Album 2/x/p001.jpg"): "un"}
    assert [(note.file, note.row, note.name, note.problem) for note in captions.notes] == [
        ("album_1.xlsx", 4, "photo 3", "no such file")
    ]
    assert captions.read == 3
    check_captions(tmp_path / "captions")


def test_one_sheet_alone_is_read_too(tmp_path: Path) -> None:
    source = write_workbook(tmp_path / "Album 1.xlsx", ["legende", "Num photo"], ["one", 1], ["again", "1"])
    assert find(source, ALBUMS).texts == {image_id_of("acc/Album 1/p001.jpg"): "one"}


def test_a_number_of_several_files_or_of_a_rejected_one_is_reported(tmp_path: Path) -> None:
    archive = manifest("a/Album/1.jpg", "b/Album/01.jpg", rejected={"a/Album/2.jpg": "cut off"})
    captions = find(write_workbook(tmp_path / "Album.xlsx", ["legende", "Num photo"], ["one", 1], ["two", 2]), archive)
    assert captions.texts == {}
    assert [note.problem for note in captions.notes] == ["several files", "file rejected (corrupt: cut off)"]
    assert captions.notes[0].candidates == ("a/Album/1.jpg", "b/Album/01.jpg")


def test_a_folder_without_sheets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.xlsx"):
        find(tmp_path)
