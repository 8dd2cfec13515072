"""cbir.labels.layouts.column: headings and rules part groups as blank rows do, and no name is lost to them."""

from collections.abc import Sequence

import pytest

from cbir.labels.layouts.column import dividers, is_heading_of_group
from cbir.labels.layouts.table import read_layout
from cbir.labels.tables.rows import Row

FILES = {f"photo_{group:03}{letter}.jpg" for group in range(1, 9) for letter in "ab"}
PAIRS = [[f"photo_{group:03}{letter}.jpg" for letter in "ab"] for group in range(1, 9)]


def is_file(name: str) -> bool:
    return name.rpartition("/")[2].removesuffix(".jpg") + ".jpg" in FILES


def in_column(cells: Sequence[str], place: int = 3) -> list[Row]:
    return [Row(number, (*[""] * place, cell) if cell else ()) for number, cell in enumerate(cells, start=1)]


def groups(rows: Sequence[Row], layout: str = "auto") -> list[list[str]]:
    reading = read_layout(rows, layout=layout, is_file=is_file)  # type: ignore[arg-type]
    assert reading.layout == "column"
    return [[mention.name for mention in group] for group in reading.groups]


@pytest.mark.parametrize("place", [0, 3, 5])
@pytest.mark.parametrize(
    "heading",
    [
        "Groupe {}", "GROUP {}:", "Gruppe n° {}", "cluster_{}", "== Group {} ==", "Set {} - Verdun",
        "Grupo {} (2 fotos)",
        "Found 2 images that look alike", "Verdun {}", "2 files, 98 % alike", "{}", "---", "* * *", "…",
    ],
)  # fmt: skip
def test_headings_and_rules_part_groups_of_names_with_extensions(heading: str, place: int) -> None:
    cells = [cell for number, pair in enumerate(PAIRS, start=1) for cell in (heading.format(number), *pair)]
    assert groups(in_column(cells, place)) == PAIRS
    assert groups(in_column(cells, place), "column") == PAIRS
    reversed_cells = [cell for number, pair in enumerate(PAIRS, start=1) for cell in (*pair, heading.format(number))]
    assert groups(in_column(reversed_cells, place)) == PAIRS


@pytest.mark.parametrize(
    "heading",
    [
        "Groupe {}",
        "Group {} : 2 images",
        "Série {}",
        "Paire n°{}",
        "Group {} of 8",
        "#{}",
        "[{}]",
        "{}.",
        "---",
        "=====",
        "FIN",
        "les mêmes",
    ],
)
def test_group_headings_rules_and_what_is_repeated_part_names_without_extensions_too(heading: str) -> None:
    bare = [[name.removesuffix(".jpg") for name in pair] for pair in PAIRS]
    cells = [cell for number, pair in enumerate(bare, start=1) for cell in (heading.format(number), *pair)]
    assert groups(in_column(cells)) == bare


def test_headings_stand_beside_blank_rows_and_titles_above_all() -> None:
    cells = ["Doublons du fonds", "", "Groupe 1", *PAIRS[0], "", "Groupe 2", *PAIRS[1], "Groupe 3", *PAIRS[2]]
    assert groups(in_column(cells))[-3:] == PAIRS[:3]


def test_a_blank_row_below_the_title_leaves_the_headings_what_they_are() -> None:
    cells = ["Report", "", *(cell for pair in PAIRS for cell in ("2 images alike", *pair))]
    assert groups(in_column(cells)) == PAIRS


def test_notes_in_another_column_do_not_hide_headings() -> None:
    rows = in_column([cell for number, pair in enumerate(PAIRS) for cell in (f"Groupe {number}", *pair)])
    noted = [Row(row.number, ("a note", *row.cells[1:])) if row.number % 4 == 0 else row for row in rows]
    assert groups(noted) == PAIRS


def test_the_dividers_are_named_in_the_reading() -> None:
    rows = in_column(["Groupe 1", *PAIRS[0], "---", *PAIRS[1]])
    reading = read_layout(rows, layout="auto", is_file=is_file)
    assert [(mention.row, mention.name) for mention in reading.dividers] == [(1, "Groupe 1"), (4, "---")]


def test_where_blank_rows_part_groups_a_name_of_no_file_and_a_remark_part_none() -> None:
    cells = [PAIRS[0][0], "lost scan", PAIRS[0][1], "", PAIRS[1][0], "see the other box", PAIRS[1][1]]
    assert groups(in_column(cells)) == [cells[:3], cells[4:]]


def test_a_name_of_no_file_with_an_extension_parts_nothing() -> None:
    cells = ["Groupe 1", PAIRS[0][0], "Groupe 7.jpg", PAIRS[0][1], "Groupe 2", *PAIRS[1]]
    assert groups(in_column(cells)) == [[PAIRS[0][0], "Groupe 7.jpg", PAIRS[0][1]], PAIRS[1]]


def test_names_without_extensions_part_nothing_where_the_archive_lacks_them() -> None:
    cells = [PAIRS[0][0].removesuffix(".jpg"), "Scan 12", PAIRS[0][1].removesuffix(".jpg"), "Scan 13"]
    assert groups(in_column(cells)) == [cells]


def test_what_names_a_file_is_no_heading() -> None:
    rows = in_column(["a.jpg", "Group 1", "b.jpg"])
    assert not dividers(rows, 3, lambda name: name == "Group 1")
    assert dividers(rows, 3, is_file)


@pytest.mark.parametrize("text", ["Groupe 1.jpg", "Verdun", "groupement 3", "settle 1", "matchbox", "g" * 300, ""])
def test_other_texts_head_no_group(text: str) -> None:
    assert not is_heading_of_group(text)


def test_remarks_in_column_d_do_not_take_the_place_of_names_beside_them() -> None:
    cells = [(*pair_names, "", "") for pair in PAIRS[:2] for pair_names in ([pair[0]], [pair[1]], [""])]
    rows = [Row(number, (*row[:1], "", "", "cropped" if row[0] else "")) for number, row in enumerate(cells, start=1)]
    assert groups(rows) == PAIRS[:2]


def test_remarks_beside_names_are_no_names_though_they_mean_files() -> None:
    cells = [(3 * (place // 2) + place % 2, name) for place, name in enumerate(name for pair in PAIRS for name in pair)]
    rows = [Row(number, ()) for number in range(1, 25)]
    for place, name in cells:
        rows[place] = Row(place + 1, ("", "", "", name, "like photo_005a" if place else "photo_005a"))
    assert groups(rows) == PAIRS


def test_errors_of_formulas_are_names_that_are_missing_and_part_nothing() -> None:
    bare = [name.removesuffix(".jpg") for pair in PAIRS for name in pair]
    cells = [*bare[:2], "#N/A", *bare[2:4], "#N/A", "#N/A", "---", *bare[4:6]]
    assert groups(in_column(cells)) == [cells[:7], bare[4:6]]
    assert groups(in_column([*PAIRS[0], "#REF!", *PAIRS[1]])) == [[*PAIRS[0], "#REF!", *PAIRS[1]]]


def test_a_second_column_that_the_archive_hardly_knows_yet_is_one_of_names() -> None:
    rows = [
        Row(place + 1, (name, f"later_{place}" if place else "photo_001b") if place % 3 else ())
        for place, name in enumerate(sorted(FILES))
    ]
    assert read_layout(rows[:8], layout="auto", is_file=is_file).layout == "column"
    rows[2] = Row(3, (rows[2].cell(0), "photo_003b"))
    rows[4] = Row(5, (rows[4].cell(0), "photo_004b"))
    assert read_layout(rows, layout="auto", is_file=is_file).layout == "row"


def test_numbers_beside_names_with_extensions_are_no_names() -> None:
    cells = [cell for pair in ([f"{2 * n - 1}.jpg", f"{2 * n}.jpg"] for n in range(1, 9)) for cell in (*pair, "")]
    rows = [Row(n, (cell, str(n % 3), "0,98") if cell else ()) for n, cell in enumerate(cells, start=1)]
    reading = read_layout(rows, layout="auto", is_file=lambda name: name.removesuffix(".jpg").isdecimal())
    assert [[mention.name for mention in group] for group in reading.groups][:2] == [
        ["1.jpg", "2.jpg"],
        ["3.jpg", "4.jpg"],
    ]


def test_a_heading_above_the_names_is_passed_over() -> None:
    rows = in_column(["Nom du fichier", *PAIRS[0], "", *PAIRS[1]])
    assert groups(rows) == PAIRS[:2]


def test_several_names_in_a_cell_are_taken_apart() -> None:
    rows = in_column([f"{PAIRS[0][0]}; {PAIRS[0][1]}", PAIRS[1][0], "", PAIRS[2][0], PAIRS[2][1]])
    assert groups(rows) == [[*PAIRS[0], PAIRS[1][0]], PAIRS[2]]
