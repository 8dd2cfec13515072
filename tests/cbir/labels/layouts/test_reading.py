"""cbir.labels.layouts.reading: several names in one cell."""

import pytest

from cbir.labels.layouts.reading import has_suffix, names_in

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


def test_an_empty_cell_has_no_name() -> None:
    assert names_in("", is_file) == []


@pytest.mark.parametrize(
    ("text", "has"), [("a.JPG", True), ("a.tif (2)", True), ("a.jpg_old", False), ("a.1914", False), ("jpg", False)]
)
def test_a_text_with_an_extension_in_it_has_one(text: str, *, has: bool) -> None:
    assert has_suffix(text) is has
