"""cbir.labels.layouts.members: rows of group and file, with and without headings, and what only looks like them."""

from collections.abc import Sequence

import pytest

from cbir.base.errors import UserError
from cbir.labels.layouts.members import find_members, headed_members
from cbir.labels.layouts.reading import Fault, Reading
from cbir.labels.layouts.table import find_layout, read_layout
from cbir.labels.tables.rows import Row

PAIRS = [[f"photo_{group:03}{letter}.jpg" for letter in "ab"] for group in range(1, 9)]
NUMBERS = [[f"{2 * group - 1}.jpg", f"{2 * group}.jpg"] for group in range(1, 9)]
FILES = {name for pair in (*PAIRS, *NUMBERS) for name in pair}


def is_file(name: str) -> bool:
    return name in FILES or f"{name}.jpg" in FILES


def table(*rows: Sequence[str]) -> list[Row]:
    return [Row(number, tuple(cells)) for number, cells in enumerate(rows, start=1)]


def read(rows: Sequence[Row]) -> Reading:
    return read_layout(rows, layout="auto", is_file=is_file)


def groups(rows: Sequence[Row]) -> list[list[str]]:
    reading = read(rows)
    assert reading.layout == "members"
    return [[mention.name for mention in group] for group in reading.groups]


def listed(pairs: Sequence[Sequence[str]], label: str = "{}") -> list[tuple[str, str]]:
    return [(label.format(number), name) for number, pair in enumerate(pairs, start=1) for name in pair]


HEADINGS = [
    ("component_id", "filename"), ("Groupe", "Nom du fichier"), ("cluster", "path"), ("Group ID", "Image"),
    ("Gruppe", "Datei"),
]  # fmt: skip


@pytest.mark.parametrize("headings", HEADINGS)
@pytest.mark.parametrize("pairs", [PAIRS, NUMBERS])
@pytest.mark.parametrize("label", ["{}", "G{}", "group {}"])
def test_a_column_of_groups_and_one_of_files_are_known_by_their_headings(
    headings: tuple[str, str], pairs: list[list[str]], label: str
) -> None:
    rows = listed(pairs, label)
    assert groups(table(headings, *rows)) == pairs
    assert groups(table(headings[::-1], *(row[::-1] for row in rows))) == pairs


@pytest.mark.parametrize("pairs", [PAIRS, NUMBERS])
def test_without_headings_they_are_known_by_their_shape(pairs: list[list[str]]) -> None:
    assert groups(table(*listed(pairs))) == pairs
    assert groups(table(*(row[::-1] for row in listed(pairs)))) == pairs


def test_files_without_extensions_are_known_beside_groups_that_are_no_files() -> None:
    bare = [[name.removesuffix(".jpg") for name in pair] for pair in PAIRS]
    assert groups(table(*listed(bare, "G{}"))) == bare


def test_blank_rows_between_the_groups_change_nothing() -> None:
    rows = [
        row
        for number, pair in enumerate(NUMBERS, start=1)
        for row in ((str(number), pair[0]), (str(number), pair[1]), ())
    ]
    assert groups(table(*rows)) == NUMBERS
    assert groups(table(("component_id", "filename"), (), *rows)) == NUMBERS


def test_other_columns_and_a_title_stand_beside_and_above() -> None:
    rows = [(str(place), label, name, "0.93", "Verdun") for place, (label, name) in enumerate(listed(NUMBERS))]
    headings = ("", "component_id", "filename", "distance", "caption")
    assert groups(table(("Clusters of 1921",), (), headings, *rows)) == NUMBERS


def test_of_several_columns_of_files_the_one_that_names_the_most_counts() -> None:
    rows = [(name, label, f"/old/{name}") for label, name in listed(PAIRS)]
    assert groups(table(("image", "group", "path"), *rows)) == PAIRS
    rows = [(f"http://x/{name}", label, name) for label, name in listed(PAIRS)]
    assert groups(table(("image", "group", "path"), *rows)) == PAIRS


def test_a_column_of_groups_goes_before_one_of_scenes() -> None:
    rows = [("Verdun", label, name) for label, name in listed(PAIRS)]
    assert groups(table(("scene", "group", "image"), *rows)) == PAIRS
    assert len(groups(table(("scene", "number", "image"), *rows))) == 1


def test_the_rows_of_a_headed_group_may_be_apart() -> None:
    rows = sorted(listed(PAIRS), key=lambda row: row[1][-5])
    assert sorted(groups(table(("cluster", "file"), *rows))) == PAIRS


def test_numbers_left_of_names_with_extensions_are_groups_in_any_order() -> None:
    rows = sorted(listed(NUMBERS), key=lambda row: row[1])
    assert sorted(map(sorted, groups(table(*rows)))) == sorted(map(sorted, NUMBERS))


@pytest.mark.parametrize("label", ["-1", "nan", "None", "noise", ""])
def test_what_a_clustering_program_left_alone_is_alone(label: str) -> None:
    rows = [*listed(PAIRS[:2]), *((label, name) for name in PAIRS[2])]
    assert groups(table(("cluster", "file"), *rows)) == [*PAIRS[:2], [PAIRS[2][0]], [PAIRS[2][1]]]


def test_a_file_without_a_group_is_alone_and_a_group_without_a_file_a_fault() -> None:
    reading = read(table(("group", "file"), ("1", PAIRS[0][0]), ("", PAIRS[1][0]), ("1", PAIRS[0][1]), ("2", "")))
    assert [[mention.name for mention in group] for group in reading.groups] == [PAIRS[0], [PAIRS[1][0]]]
    assert reading.faults == (Fault(5, "2", "no file"),)


@pytest.mark.parametrize("headings", [[], [("Groupe", "Fichier")]])
def test_a_merged_cell_names_the_group_of_all_its_rows(headings: list[tuple[str, str]]) -> None:
    rows = [row for number, pair in enumerate(PAIRS) for row in ((f"Verdun {number}", pair[0]), ("", pair[1]))]
    assert groups(table(*headings, *rows)) == PAIRS


def test_a_cell_with_several_names_gives_all() -> None:
    rows = [("G1", "; ".join(PAIRS[0])), ("G1", PAIRS[1][0]), ("G2", PAIRS[2][0]), ("G2", PAIRS[2][1])]
    assert groups(table(("group", "files"), *rows)) == [[*PAIRS[0], PAIRS[1][0]], PAIRS[2]]


@pytest.mark.parametrize(
    "rows",
    [
        [(PAIRS[0][0], PAIRS[0][1]), (PAIRS[0][0], PAIRS[1][0]), (PAIRS[0][0], PAIRS[1][1])],  # a file and its copies
        [("Groupe", "Nom du fichier"), PAIRS[0], PAIRS[1]],
        [(name, remark) for name, remark in zip(PAIRS[0] + PAIRS[1], ["cropped", "", "cropped", "dark"], strict=True)],
        [(["1914", "1915"][place // 8], name) for place, name in enumerate(name for pair in PAIRS for name in pair)],
        [(name, str(place % 3)) for place, name in enumerate(name for pair in NUMBERS for name in pair)],
        [(name, ["1914", "1915"][place % 2]) for place, name in enumerate(name for pair in PAIRS for name in pair)],
    ],
)
def test_what_only_looks_like_groups_and_files_is_read_as_rows(rows: list[Sequence[str]]) -> None:
    assert find_layout(table(*rows), is_file=is_file) == "row"


def test_remarks_beside_a_column_of_names_are_no_groups() -> None:
    rows = [row for pair in PAIRS for row in (("1921", pair[0]), ("1922", pair[1]), ())]
    reading = read(table(*rows))
    assert reading.layout == "column"
    assert [[mention.name for mention in group] for group in reading.groups] == PAIRS


def test_layout_members_is_refused_where_no_columns_are_groups_and_files() -> None:
    with pytest.raises(UserError, match="no two columns are headed group and file; put these headings above them"):
        read_layout(table(PAIRS[0], PAIRS[1]), layout="members", is_file=is_file)
    assert find_members([], is_file) is None
    assert headed_members(table(("group", "file")), is_file) is None


@pytest.mark.parametrize("scores", [("0.99", "0.93"), ("1.0", "0,93"), ("98 %", "97%"), (".99", "1")])
def test_likenesses_beside_names_are_no_groups(scores: tuple[str, str]) -> None:
    rows = [("\n".join(pair), scores[number // 4]) for number, pair in enumerate(PAIRS)]
    reading = read(table(*rows))
    assert [[mention.name for mention in group] for group in reading.groups] == PAIRS


@pytest.mark.parametrize("label", ["{}", "{}.0", "{}.1", "g{}"])
def test_numbers_of_groups_are_no_likenesses(label: str) -> None:
    assert groups(table(*listed(PAIRS, label))) == PAIRS
