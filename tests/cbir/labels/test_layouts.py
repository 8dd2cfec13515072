from collections.abc import Sequence

import pytest

from cbir.errors import UserError
from cbir.labels.layouts import Fault, Mention, Reading, find_layout, label_of, read_layout
from cbir.labels.tables.rows import Row


def table(*rows: Sequence[str]) -> list[Row]:
    return [Row(number, tuple(cells)) for number, cells in enumerate(rows, start=1)]


def is_file(name: str) -> bool:
    """In these tests a file's name is a letter, with or without a number."""
    return len(name) <= 2 and name[:1].islower()


def read(rows: list[Row], layout: str = "auto") -> Reading:
    return read_layout(rows, layout=layout, is_file=is_file)  # type: ignore[arg-type]


def names(reading: Reading) -> list[list[str]]:
    return [[mention.name for mention in group] for group in reading.groups]


LIPADE = table(
    ["", "", "", "a"], ["", "", "", "b"], [], [], ["", "", "", "c"], [""], ["", "", "", "d"], ["", "", "", "e"]
)


@pytest.mark.parametrize("layout", ["auto", "column"])
def test_in_layout_column_blank_rows_end_groups(layout: str) -> None:
    reading = read(LIPADE, layout)
    assert reading.layout == "column"
    assert names(reading) == [["a", "b"], ["c"], ["d", "e"]]
    assert reading.groups[2][0] == Mention(7, "d")


def test_notes_beside_the_column_of_names_do_not_hide_it() -> None:
    rows = table(
        ["1", "Verdun", "", "a"], ["", "", "", "b"], [], ["2", "Marne, again", "", "c"], ["", "", "", "missing"]
    )
    assert names(read(rows)) == [["a", "b"], ["c", "missing"]]


@pytest.mark.parametrize("layout", ["auto", "column"])
def test_the_only_column_with_text_is_the_one_of_names_wherever_it_is(layout: str) -> None:
    assert names(read(table(["a"], ["b"], [""], ["c"]), layout)) == [["a", "b"], ["c"]]


def test_layout_column_is_refused_when_it_is_unclear_which_column() -> None:
    with pytest.raises(UserError, match=r"column D is empty and 2 other columns"):
        read(table(["a", "b"], ["c", "d"]), "column")


@pytest.mark.parametrize("layout", ["auto", "row"])
@pytest.mark.parametrize(
    "heading", [[], [["image 1", "image 2", "image 3"]], [["Groupe", "Nom du fichier"]], [["Images"]]]
)
def test_in_layout_row_each_row_is_a_group_and_headings_are_passed_over(layout: str, heading: list[list[str]]) -> None:
    reading = read(table(*heading, ["a", "b"], [], ["c", "", "d", "e"], ["f"]), layout)
    assert reading.layout == "row"
    assert names(reading) == [["a", "b"], ["c", "d", "e"], ["f"]]


def test_a_first_row_that_names_a_file_is_no_heading() -> None:
    assert names(read(table(["image", "a"], ["b", "c"]), "row"))[0] == ["image", "a"]


def test_rows_of_which_only_the_first_column_is_in_the_archive_are_not_taken_for_one_column() -> None:
    reading = read(table(["a", "Gone1"], ["b", "Gone2"], ["c", "Gone3"]))
    assert reading.layout == "row"


@pytest.mark.parametrize("layout", ["auto", "pairs"])
@pytest.mark.parametrize("heading", [[], [["image 1", "image 2", "label"]]])
@pytest.mark.parametrize(
    ("yes", "no"), [("1", "0"), ("same", "different"), ("Oui", "NON"), ("vrai", "faux"), ("1.0", "-1")]
)
def test_in_layout_pairs_the_label_says_whether_two_are_the_same(
    layout: str, heading: list[list[str]], yes: str, no: str
) -> None:
    reading = read(table(*heading, ["a", "b", yes], ["c", "d", no]), layout)
    assert reading.layout == "pairs"
    assert names(reading) == [["a", "b"]]
    assert [[mention.name for mention in pair] for pair in reading.apart] == [["c", "d"]]
    assert reading.faults == ()
    assert reading.mentions == 4


def test_the_label_may_stand_first_and_other_columns_beside_it() -> None:
    reading = read(table(["same", "n°", "left", "right"], ["1", "17", "a", "b"], ["0", "18", "c", "d"]))
    assert names(reading) == [["a", "b"]]


def test_a_pair_without_label_or_partner_is_reported() -> None:
    rows = table(["a", "b", "1"], ["c", "d", "?"], ["e", "", "1"], ["f", "g", "0"])
    reading = read(rows, "pairs")
    assert reading.faults == (Fault(2, "c | d | ?", "no label"), Fault(3, "e |  | 1", "no pair"))
    assert read(table(["a", "b", "?"], ["c", "d", "1"], ["e", "f", "0"]), "pairs").faults[0].row == 1


def test_layout_pairs_is_refused_without_labels() -> None:
    with pytest.raises(UserError, match="no column holds labels"):
        read(table(["a", "b", "c"], ["d", "e", "f"]), "pairs")


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


def test_a_table_whose_names_are_no_files_is_told_by_its_shape() -> None:
    assert find_layout(table(["X1"], ["X2"], [], ["X3"]), is_file=is_file) == "column"
    assert find_layout(table(["X1", "X2"], ["X3", "X4"]), is_file=is_file) == "row"
