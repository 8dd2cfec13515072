"""The same groups, written in each layout as people write them, are read the same."""

from collections.abc import Callable, Collection, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from cbir.labels.groundtruth import unite
from cbir.labels.layouts.reading import Reading
from cbir.labels.layouts.table import read_layout
from cbir.labels.tables.rows import Row

Names = list[list[str]]
Cells = list[tuple[str, ...]]


def column(groups: Names, heading: str = "", place: int = 3) -> Cells:
    cells = [cell for n, group in enumerate(groups) for cell in (heading.format(n), *group)]
    return [(*[""] * place, cell) if cell else () for cell in cells]


WAYS: dict[str, Callable[[Names], Cells]] = {
    "blank rows": column,
    "blank rows in column A": lambda groups: column(groups, place=0),
    "headings": lambda groups: column(groups, "Groupe {}"),
    "headings and blank rows": lambda groups: column([[f"Groupe {n}:", *group, ""] for n, group in enumerate(groups)]),
    "rules": lambda groups: column(groups, "-----"),
    "rows": lambda groups: [tuple(group) for group in groups],
    "rows with headings": lambda groups: [("image 1", "image 2"), *map(tuple, groups)],
    "rows with a label": lambda groups: [(f"Groupe {n}", *group) for n, group in enumerate(groups)],
    "several in a cell": lambda groups: [("; ".join(group),) for group in groups],
    "lines in a cell": lambda groups: [("\n".join(group),) for group in groups],
    "members with headings": lambda groups: [
        ("cluster_id", "filename"), *((str(n), name) for n, group in enumerate(groups) for name in group)
    ],
    "members, files first": lambda groups: [
        ("image", "score", "group"), *((name, "0.9", f"g{n}") for n, group in enumerate(groups) for name in group)
    ],
    "members without headings": lambda groups: [(f"g{n}", name) for n, group in enumerate(groups) for name in group],
    "merged cells": lambda groups: [
        (f"Verdun {n}" if name == group[0] else "", name) for n, group in enumerate(groups) for name in group
    ],
}  # fmt: skip
GROUPS = st.lists(st.integers(2, 5), min_size=2, max_size=9)


FORMS = ["scan_{}.jpg", "scan {:03}", "{:03}.tif", "box 1/{}.png", "L'été {}.JPG"]


def written(sizes: Sequence[int], form: str) -> Names:
    numbers = iter(range(1, sum(sizes) + 1))
    return [[form.format(next(numbers)) for _ in range(size)] for size in sizes]


def read(groups: Names, way: str, files: Collection[str]) -> Reading:
    rows = [Row(number, cells) for number, cells in enumerate(WAYS[way](groups), start=1)]
    return read_layout(rows, layout="auto", is_file=files.__contains__)


@settings(max_examples=400)
@given(GROUPS, st.sampled_from(FORMS), st.sampled_from([*WAYS]))
def test_the_groups_are_the_same_in_every_layout(sizes: list[int], form: str, way: str) -> None:
    groups = written(sizes, form)
    reading = read(groups, way, {name for group in groups for name in group})
    assert [[mention.name for mention in group] for group in reading.groups] == groups
    assert reading.faults == ()


@settings(max_examples=400)
@given(GROUPS, st.sampled_from(FORMS), st.sampled_from([*WAYS]), st.data())
def test_of_an_archive_that_has_some_of_the_files_the_groups_are_the_same_too(
    sizes: list[int], form: str, way: str, data: st.DataObject
) -> None:
    groups = written(sizes, form)
    files = data.draw(st.sets(st.sampled_from([name for group in groups for name in group])))
    reading = read(groups, way, files)
    present = [[mention.name for mention in group if mention.name in files] for group in reading.groups]
    assert unite(present) == unite([name for name in group if name in files] for group in groups)
