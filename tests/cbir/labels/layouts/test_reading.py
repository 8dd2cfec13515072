"""cbir.labels.layouts.reading: several names in one cell."""

import pytest

from cbir.labels.layouts.reading import (
    columns_of_names,
    has_suffix,
    is_heading_of_groups,
    is_heading_of_names,
    names_in,
)
from cbir.labels.tables.rows import Row

FILES = {"a.jpg", "b.jpg", "c.tif", "a", "b", "c, d", "e et f", "my photo.jpg", "x;y"}


def is_file(name: str) -> bool:
    return name in FILES


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a.jpg; b.jpg", ["a.jpg", "b.jpg"]),
        ("a;b;gone", ["a", "b", "gone"]),
        ("a.jpg|b.jpg", ["a.jpg", "b.jpg"]),
        ("a\nb\ngone", ["a", "b", "gone"]),
        ("a.jpg, b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg,b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg b.jpg", ["a.jpg", "b.jpg"]),
        ("/mnt/my photo.jpg /mnt/b.jpg", ["/mnt/my photo.jpg", "/mnt/b.jpg"]),
        ("gone.jpg et b.jpg", ["gone.jpg", "b.jpg"]),
        ("a.jpg + b.jpg & c.tif", ["a.jpg", "b.jpg", "c.tif"]),
        ('"a.jpg" "b.jpg"', ['"a.jpg"', '"b.jpg"']),
        ("a.jpg = b.jpg", ["a.jpg", "b.jpg"]),
        ("a, b", ["a", "b"]),
        ("a / b", ["a", "b"]),
        ("a et b", ["a", "b"]),
        ("a;b, a", ["a", "b", "a"]),
        ("a\tb", ["a", "b"]),
        ("Groupe 1 : a.jpg, b.jpg", ["a.jpg", "b.jpg"]),
        ("12: a.jpg b.jpg", ["a.jpg", "b.jpg"]),
        ("3) a.jpg", ["a.jpg"]),
        ("a.jpg -> b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg - b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg == b.jpg", ["a.jpg", "b.jpg"]),
        ("['a.jpg', 'b.jpg']", ["['a.jpg'", "'b.jpg']"]),
        ("a - b", ["a", "b"]),
    ],
)
def test_several_names_in_a_cell_are_taken_apart(cell: str, names: list[str]) -> None:
    assert names_in(cell, is_file) == names


@pytest.mark.parametrize(
    "cell",
    [
        "a.jpg",
        "c, d",
        "e et f",
        "x;y",
        "Verdun, 1916",
        "Marne et Somme",
        "a.jpg (cropped)",
        "a.jpg - 400x300, dark",
        "a/b",
    ],
)
def test_a_name_with_such_signs_in_it_and_a_remark_stay_whole(cell: str) -> None:
    assert names_in(cell, is_file) == [cell]


def test_a_list_of_paths_is_taken_apart_though_its_last_name_is_a_file() -> None:
    names = names_in("/mnt/a.jpg /mnt/b.jpg", lambda name: name.rpartition("/")[2] in FILES)
    assert names == ["/mnt/a.jpg", "/mnt/b.jpg"]


def test_columns_of_numbers_beside_names_with_extensions_are_left_out() -> None:
    rows = [Row(n, ("a.jpg", str(n), "b", "0.9", "98 %")) for n in range(3)]
    assert [*columns_of_names(rows)] == [0, 2]
    assert [*columns_of_names([Row(0, ("file", "n°", "name", "score", "")), *rows])] == [0, 2]
    assert [*columns_of_names([Row(1, ("1", "12"))])] == [0, 1]
    assert [*columns_of_names([Row(1, ("a.jpg", "b.jpg", "c"))])] == [0, 1, 2]


@pytest.mark.parametrize(
    "heading", ["img_filename", "Image Path", "file", "Nom de fichier", "photo_id", "Dateiname", "image 1"]
)
def test_headings_of_names_are_known(heading: str) -> None:
    assert is_heading_of_names(heading)
    assert not is_heading_of_groups(heading)


@pytest.mark.parametrize("heading", ["component_id", "Groupe", "cluster label", "GROUP ID", "Gruppe Nr", "scene"])
def test_headings_of_groups_are_known(heading: str) -> None:
    assert is_heading_of_groups(heading)
    assert not is_heading_of_names(heading)


def test_an_empty_cell_has_no_name() -> None:
    assert names_in("", is_file) == []


@pytest.mark.parametrize(
    ("text", "has"), [("a.JPG", True), ("a.tif (2)", True), ("a.jpg_old", False), ("a.1914", False), ("jpg", False)]
)
def test_a_text_with_an_extension_in_it_has_one(text: str, *, has: bool) -> None:
    assert has_suffix(text) is has
