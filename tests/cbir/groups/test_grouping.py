"""Tests of cbir.groups.grouping."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cbir.groups.grouping import group_images
from tests.support.directions import archive, matches
from tests.support.manifests import image_id_of, manifest


def test_a_group_is_named_by_its_first_member_by_accession_and_path() -> None:
    given = archive(b__1=0, a__9=1, a__2=2)
    groups = group_images(manifest("b/1", "a/9", "a/2"), matches(given), threshold=0.9)
    assert set(groups["group_id"]) == {image_id_of("a/2")}
    assert set(groups["image_id"]) == {image_id_of("b/1"), image_id_of("a/9"), image_id_of("a/2")}
    assert set(groups["evidence"]) == {"match"}


def test_ids_stay_when_a_later_accession_adds_members() -> None:
    before = archive(a__1=0, a__2=1, a__3=50, b__1=51, b__2=120)
    after = archive(a__1=0, a__2=1, a__3=50, b__1=51, b__2=120, c__1=0.5, c__2=52, c__3=121)
    first = group_images(manifest("a/1", "a/2", "a/3", "b/1", "b/2"), matches(before), threshold=0.97)
    paths = ["a/1", "a/2", "a/3", "b/1", "b/2", "c/1", "c/2", "c/3"]
    second = group_images(manifest(*paths), matches(after), threshold=0.97)
    assert set(first["group_id"]) == {image_id_of("a/1"), image_id_of("a/3")}
    assert set(second["group_id"]) == {image_id_of("a/1"), image_id_of("a/3"), image_id_of("b/2")}


def test_the_representative_has_the_most_pixels_and_is_the_first_of_those() -> None:
    given = archive(a__1=0, a__2=1, a__3=2)
    table = manifest("a/1", "a/2", "a/3")
    cases = [
        ((10, 30, 20), (10, 10, 10), "a/2"),
        ((10, 30, 30), (10, 10, 10), "a/2"),
        ((30, 30, 30), (10, 10, 10), "a/1"),
        ((10, 30, 20), (10, 10, 40), "a/3"),
        ((70_000, 30_000, 20), (70_000, 30_000, 20), "a/1"),  # more pixels than 32 bits hold
    ]
    for widths, heights, best in cases:
        table["width"], table["height"] = pd.array(widths, dtype="Int32"), pd.array(heights, dtype="Int32")
        groups = group_images(table, matches(given), threshold=0.9)
        assert groups.loc[groups["representative"], "image_id"].tolist() == [image_id_of(best)]


def test_similarity_is_the_mean_probability_over_the_pairs_with_other_members() -> None:
    given = archive(a__1=0, a__2=10, a__3=20)
    groups = group_images(manifest("a/1", "a/2", "a/3"), matches(given), threshold=0.9).set_index("image_id")
    ten, twenty = np.cos(np.radians([10, 20]))
    expected = {"a/1": (ten + twenty) / 2, "a/2": ten, "a/3": (ten + twenty) / 2}
    for path, similarity in expected.items():
        assert groups.loc[image_id_of(path), "similarity"] == round(similarity, 6)


def test_pictures_that_are_there_as_exact_copies_only_are_groups() -> None:
    given = archive(a__1=0, a__2=1, a__7=90, a__8=180)
    table = manifest(
        *("a/1", "a/2", "a/7", "a/8"),
        copies={"a/3": "a/1", "b/7": "a/7", "b/8": "a/8"},
        rejected={"a/x": "cut off", "a/y": "cut off"},
    )
    groups = group_images(table, matches(given), threshold=0.9).set_index("image_id")
    assert groups.loc[image_id_of("a/7")].to_dict() == {
        "group_id": image_id_of("a/7"),
        "representative": True,
        "similarity": 1.0,
        "evidence": "exact copy",
    }
    assert groups.loc[image_id_of("a/8"), "group_id"] == image_id_of("a/8")
    assert groups.loc[image_id_of("a/1"), "evidence"] == "match"
    assert len(groups) == 4


def test_the_table_is_sorted_by_group_and_image_and_its_rows_are_numbered() -> None:
    given = archive(b__1=0, a__1=1, a__2=90, b__2=91)
    groups = group_images(manifest("b/1", "a/1", "a/2", "b/2"), matches(given), threshold=0.9)
    rows = list(zip(groups["group_id"], groups["image_id"], strict=True))
    assert rows == sorted(rows)
    assert groups.index.tolist() == [0, 1, 2, 3]


def test_progress_counts_the_components() -> None:
    seen: list[dict[str, object]] = []

    def progress(parts: Sequence[object], **named: object) -> Sequence[object]:
        seen.append(named)
        return parts

    given = archive(a__1=0, a__2=1, a__3=90, a__4=91)
    table = manifest("a/1", "a/2", "a/3", "a/4")
    assert len(group_images(table, matches(given), threshold=0.9, progress=progress)) == 4
    assert seen == [{"total": 2, "desc": "group", "unit": "component"}]


def test_without_relatives_the_table_is_empty_and_keeps_its_columns() -> None:
    given = archive(a__1=0, a__2=90)
    groups = group_images(manifest("a/1", "a/2"), matches(given), threshold=0.9)
    assert groups.columns.tolist() == ["group_id", "image_id", "representative", "similarity", "evidence"]
    assert groups.empty
