from pathlib import Path

import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.labels.caption_sheets import Entry, find_images, read_entries
from cbir.labels.names import NameIndex
from tests.support.manifests import image_id_of, manifest
from tests.support.workbooks import write_workbook


def found(archive: pd.DataFrame, *numbers: tuple[str, str], folder: str = "Album") -> list[str | None]:
    """The images of rows with (page, photo)."""
    entries = [Entry(row, photo, page, "text") for row, (page, photo) in enumerate(numbers, start=2)]
    results = find_images(entries, folder=folder, manifest=archive, index=NameIndex(archive))
    return [result.image_id for result in results]


def ids(*paths: str) -> list[str]:
    return [image_id_of(path) for path in paths]


@pytest.mark.parametrize("caption", ["legende", "Légendes", "Legend", "LÉGENDE ", "le\u0301gende (fr)"])
@pytest.mark.parametrize("photo", ["Num photo", "num_photo", "N° Photo", "Photos"])
def test_headings_are_found_in_every_spelling(tmp_path: Path, caption: str, photo: str) -> None:
    path = write_workbook(
        tmp_path / "Album.xlsx", ["Album of 1915"], [], ["Num Page", caption, photo], [4, "text", 12], [5, None, 13]
    )
    assert read_entries(path) == [Entry(4, "12", "4", "text")]


@pytest.mark.parametrize("headings", [["legende", "date"], ["Num photo", "Num page"], ["a", "b"]])
def test_a_sheet_without_captions_or_numbers_is_refused(tmp_path: Path, headings: list[object]) -> None:
    with pytest.raises(UserError, match="must have a column of captions"):
        read_entries(write_workbook(tmp_path / "Album.xlsx", headings, [1, 2]))


def test_the_last_number_of_the_name_counts_and_leading_zeros_do_not() -> None:
    paths = "a/Album/1915_003.jpg", "a/Album/1915_012.jpg", "a/Album/sub/1915_4b.jpg", "a/Album/1915_4bis.jpg"
    archive = manifest(*paths, "a/Other/1915_003.jpg")
    assert found(archive, ("", "3"), ("", "012"), ("", "4b"), ("", "4 bis"), ("", "4")) == [*ids(*paths), None]


def test_the_number_in_the_sub_folders_own_name_is_left_out() -> None:
    archive = manifest("a/Album 7/Album 7.jpg", "a/Album 7/Album 7 - 2.jpg")
    assert found(archive, ("", "7"), ("", "2"), folder="Album 7") == [None, *ids("a/Album 7/Album 7 - 2.jpg")]


def test_page_and_photo_go_before_the_photo_alone_where_files_have_both() -> None:
    paths = "a/Album/p1_1.jpg", "a/Album/p1_2.jpg", "a/Album/p2_1.jpg"
    assert found(manifest(*paths), ("1", "1"), ("1", "2"), ("2", "1")) == ids(*paths)


def test_photos_numbered_through_are_found_by_their_number_whatever_the_page() -> None:
    paths = "a/Album/1.jpg", "a/Album/2.jpg", "a/Album/3.jpg"
    assert found(manifest(*paths), ("1", "1"), ("1", "2"), ("2", "3")) == ids(*paths)


def test_photos_counted_anew_on_each_page_do_not_steal_the_scans_of_pages() -> None:
    pages = "a/Album/page 1.jpg", "a/Album/page 2.jpg"
    assert found(manifest(*pages), ("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")) == ids(
        *pages[:1] * 2, *pages[1:] * 2
    )


@pytest.mark.parametrize("path", ["a/Album/scan.tif", "a/Album.tif", "Album/scan.tif"])
def test_a_file_of_many_pages_is_looked_up_by_page(path: str) -> None:
    archive = manifest("a/1.jpg", pages={path: 3})
    assert found(archive, ("", "1"), ("", "3"), ("", "4")) == [image_id_of(path, 0), image_id_of(path, 2), None]


def test_a_photo_may_be_named_in_place_of_its_number() -> None:
    archive = manifest("a/Album/Joffre à Verdun.jpg", "b/Joffre à Verdun.jpg")
    assert found(archive, ("", "joffre a verdun.tif")) == ids("a/Album/Joffre à Verdun.jpg")


@pytest.mark.parametrize("number", ["", "1-3", "1, 2", "?"])
def test_what_is_not_one_number_finds_nothing(number: str) -> None:
    assert found(manifest("a/Album/1.jpg", "a/Album/2.jpg"), ("", number)) == [None]
