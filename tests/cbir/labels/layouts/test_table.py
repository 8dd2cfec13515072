from collections.abc import Sequence

import pytest

from cbir.base.errors import UserError
from cbir.labels.layouts.reading import Fault, Mention, Reading
from cbir.labels.layouts.table import find_layout, read_layout
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


def test_a_table_whose_names_are_no_files_is_told_by_its_shape() -> None:
    assert find_layout(table(["X1"], ["X2"], [], ["X3"]), is_file=is_file) == "column"
    assert find_layout(table(["X1", "X2"], ["X3", "X4"]), is_file=is_file) == "row"


@pytest.mark.parametrize("numbering", ["{}", "Groupe {}", "Set {}:"])
def test_a_first_column_that_numbers_the_groups_holds_no_names(numbering: str) -> None:
    files = {f"{number}.jpg" for number in range(1, 9)}
    rows = table(*([numbering.format(n), f"{2 * n - 1}.jpg", f"{2 * n}.jpg"] for n in range(1, 5)))
    for heading in ([], [Row(0, ("n°", "file 1", "file 2"))]):
        reading = read_layout(
            [*heading, *rows], layout="auto", is_file=lambda name: f"{name.split('.')[0]}.jpg" in files
        )
        assert names(reading) == [[f"{2 * n - 1}.jpg", f"{2 * n}.jpg"] for n in range(1, 5)]


def test_a_headed_column_of_group_numbers_holds_no_names_where_files_are_numbers_too() -> None:
    rows = table(["Groupe", "image 1", "image 2"], ["1", "11", "12"], ["2", "13", "14"], ["3", "15", "16"])
    reading = read_layout(rows, layout="auto", is_file=str.isdecimal)
    assert names(reading) == [["11", "12"], ["13", "14"], ["15", "16"]]


def test_numbers_that_are_names_stay_names() -> None:
    rows = table(["1", "101"], ["2", "102"], ["3", "103"])
    assert names(read_layout(rows, layout="auto", is_file=str.isdecimal)) == [["1", "101"], ["2", "102"], ["3", "103"]]


def test_a_column_of_cells_with_several_names_has_a_group_in_each() -> None:
    reading = read(table(["a; b"], ["c;d"], ["e;f;g"]))
    assert (reading.layout, names(reading)) == ("row", [["a", "b"], ["c", "d"], ["e", "f", "g"]])
