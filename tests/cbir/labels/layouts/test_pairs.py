"""cbir.labels.layouts.pairs: what a label says, and which column holds the labels."""

from collections.abc import Sequence

import pytest

from cbir.labels.layouts.pairs import label_column, label_of, read_pairs
from cbir.labels.tables.rows import Row


def table(*rows: Sequence[str]) -> list[Row]:
    return [Row(number, tuple(cells)) for number, cells in enumerate(rows, start=1)]


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("1", True),
        (" OUI ", True),
        ("Même", True),
        ("non", False),
        ("-1", False),
        ("0,8", None),
        ("nan", None),
        ("", None),
    ],
)
def test_labels_mean_same_different_or_nothing(label: str, meaning: bool | None) -> None:
    assert label_of(label) is meaning


def test_a_headed_column_of_labels_goes_before_another_of_ones_and_zeros() -> None:
    rows = table(
        ["image_a", "image_b", "label", "mirrored"], ["a", "b", "same", "0"], ["c", "d", "same", "1"],
        ["e", "f", "scene", "0"],
    )  # fmt: skip
    assert label_column(rows, strictly=True) == 2
    reading = read_pairs(rows, lambda name: len(name) == 1)
    assert [[mention.name for mention in pair] for pair in reading.groups] == [["a", "b"], ["c", "d"]]
    assert [fault.problem for fault in reading.faults] == ["no label"]


def test_labels_in_words_go_before_ones_and_zeros_and_these_before_none() -> None:
    assert label_column(table(["a", "b", "same", "0"], ["c", "d", "different", "1"]), strictly=True) == 2
    assert label_column(table(["a", "b", "0"], ["c", "d", "1"]), strictly=True) == 2
    assert label_column(table(["a", "b", "x"], ["c", "d", "z"]), strictly=True) is None
