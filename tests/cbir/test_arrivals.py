"""Tests of cbir.arrivals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbir import arrivals as module
from cbir.arrivals import Arrivals, arrived_images, find_arrivals, neighbours_of
from cbir.errors import UserError
from cbir.snapshot import snapshot_of
from tests.cbir.archives import arrivals, groups_of
from tests.cbir.archives import neighbours_of as lists
from tests.cbir.manifests import identity, manifest

OLD = manifest("a/1", "a/2", "a/3")
PATHS = {identity(f"{folder}/{name}"): f"{folder}/{name}" for folder in "abcd" for name in range(40)}


def pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return [(PATHS[one], PATHS[other]) for one, other in zip(table["image_id"], table["other_id"], strict=True)]


def new_with(*paths: str, **options: dict[str, str]) -> pd.DataFrame:
    return manifest("a/1", "a/2", "a/3", *paths, **options)  # type: ignore[arg-type]


def roles(found: Arrivals) -> dict[str, str]:
    return dict(zip(found.files["path"], found.files["role"].fillna(""), strict=True))


def test_an_archive_that_is_as_it_was_has_nothing_new() -> None:
    assert arrivals(OLD, OLD, before=[("a/1", "a/2")], after=[("a/1", "a/2")], similar={("a/1", "a/2"): 0.9}).nothing
    assert arrivals(OLD, OLD).pairs.empty


def test_a_new_file_with_a_near_duplicate_joins_its_group_or_founds_one() -> None:
    new = new_with("b/1", "b/2", "b/3")
    similar = {("b/1", "a/1"): 0.95, ("b/2", "a/3"): 0.96}
    found = arrivals(OLD, new, before=[("a/1", "a/2")], after=[("a/1", "a/2", "b/1"), ("a/3", "b/2")], similar=similar)
    assert roles(found) == {"b/1": "joins", "b/2": "founds", "b/3": ""}
    assert found.files["group_id"].fillna("").tolist() == [identity("a/1"), identity("a/3"), ""]
    assert found.files["new"].all()
    assert found.alone["path"].tolist() == ["b/3"]


def test_all_members_of_its_group_are_near_duplicates_with_the_similarity_where_a_list_has_it() -> None:
    similar = {("a/1", "b/1"): 0.95, ("a/3", "b/1"): 0.7}  # in the lists of the old images alone
    found = arrivals(OLD, new_with("b/1"), after=[("a/1", "a/2", "a/3", "b/1")], similar=similar)
    assert pairs(found.near) == [("b/1", "a/1"), ("b/1", "a/3"), ("b/1", "a/2")]
    assert found.near["similarity"].fillna(0).tolist() == [0.95, 0.7, 0]
    assert found.look.empty


def test_two_images_that_arrived_together_name_each_other_and_count_once() -> None:
    found = arrivals(OLD, new_with("b/1", "b/2"), after=[("b/1", "b/2")], similar={("b/1", "b/2"): 0.99})
    assert pairs(found.near) == [("b/1", "b/2"), ("b/2", "b/1")]
    assert found.near["similarity"].tolist() == [0.99, 0.99]
    assert pairs(found.new_pairs) == [("b/1", "b/2")]


def test_pairs_within_the_margin_on_either_side_want_a_look_the_nearest_to_the_threshold_first() -> None:
    similar = {
        ("b/1", "a/1"): 0.93,
        ("a/2", "b/1"): 0.87,
        ("b/1", "a/3"): 0.91,
        ("b/2", "a/1"): 0.94,
        ("b/2", "a/2"): 0.86,
    }
    found = arrivals(OLD, new_with("b/1", "b/2"), after=[("a/1", "a/3", "b/1", "b/2")], similar=similar)
    assert pairs(found.look) == [("b/1", "a/3"), ("b/1", "a/1"), ("b/1", "a/2")]


def test_a_pair_above_the_threshold_that_is_in_no_group_wants_a_look_however_similar() -> None:
    found = arrivals(OLD, new_with("b/1"), similar={("b/1", "a/1"): 0.99, ("a/1", "a/2"): 0.99})
    assert pairs(found.look) == pairs(found.new_pairs) == [("b/1", "a/1")]
    assert found.alone.empty


def test_an_exact_copy_of_an_old_image_is_new_as_a_file_and_not_as_an_image() -> None:
    new = new_with("b/2", copies={"b/1": "a/1"})
    similar = {("a/1", "a/2"): 0.9, ("a/1", "b/2"): 0.88}
    found = arrivals(OLD, new, before=[("a/1", "a/2")], after=[("a/1", "a/2")], similar=similar)
    assert dict(zip(found.files["path"], found.files["new"], strict=True)) == {"b/1": False, "b/2": True}
    assert found.copied["path"].tolist() == ["b/1"]
    assert roles(found)["b/1"] == "joins"
    assert pairs(found.near) == [("a/1", "a/2")]
    assert pairs(found.look) == [("b/2", "a/1")]  # it begins with the new image
    assert found.new_pairs.empty
    assert not found.changes


def test_copies_that_arrived_together_are_one_new_image() -> None:
    found = arrivals(OLD, new_with("b/1", copies={"b/2": "b/1"}), after=[("b/1",)])
    assert found.files["new"].tolist() == [True, True]
    assert found.copied["path"].tolist() == ["b/1", "b/2"]
    assert roles(found) == {"b/1": "founds", "b/2": "founds"}
    assert found.known["arrived"].tolist() == [True, True]


def test_each_page_of_a_file_is_looked_at_by_itself() -> None:
    new = manifest("a/1", "a/2", "a/3", pages={"b/1": 3})
    assert arrivals(OLD, new).files["page"].tolist() == [0, 1, 2]


def test_a_rejected_file_is_told_once_and_again_when_it_can_be_used() -> None:
    broken = new_with(rejected={"b/1": "cut off"})
    found = arrivals(OLD, broken)
    assert found.rejected[["path", "status", "reason"]].to_numpy().tolist() == [["b/1", "corrupt", "cut off"]]
    assert found.files.empty
    assert arrivals(broken, broken).nothing
    assert arrivals(broken, new_with("b/1")).files["path"].tolist() == ["b/1"]


def test_a_file_that_holds_another_image_than_before_is_new() -> None:
    changed = manifest("a/1", "a/2", copies={"a/3": "c/9"})
    found = arrivals(OLD, changed)
    assert (found.files["path"].tolist(), found.gone) == (["a/3"], 0)


def test_files_that_are_gone_are_counted() -> None:
    found = arrivals(OLD, manifest("a/1"))
    assert found.gone == 2
    assert not found.nothing


def test_into_an_empty_archive_everything_arrives() -> None:
    found = arrivals(manifest(), OLD, after=[("a/1", "a/2")], similar={("a/1", "a/2"): 0.95})
    assert len(found.files) == 3
    assert [change.kind for change in found.changes] == ["new"]


def test_groups_that_a_new_image_joins_together_are_told_with_their_former_ids() -> None:
    old = manifest("a/1", "a/2", "a/3", "a/4")
    new = manifest("a/1", "a/2", "a/3", "a/4", "b/1")
    found = arrivals(old, new, before=[("a/1", "a/2"), ("a/3", "a/4")], after=[("a/1", "a/2", "a/3", "a/4", "b/1")])
    (change,) = found.changes
    assert (change.kind, set(change.before)) == ("merged", {identity("a/1"), identity("a/3")})
    assert roles(found) == {"b/1": "joins"}


def test_of_a_very_large_group_the_listed_neighbours_and_the_first_image_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LARGEST", 3)
    found = arrivals(OLD, new_with("b/1"), after=[("a/1", "a/2", "a/3", "b/1")], similar={("b/1", "a/3"): 0.95})
    assert pairs(found.near) == [("b/1", "a/3"), ("b/1", "a/1")]


def test_the_neighbours_of_some_images_are_found_on_either_side(tmp_path: Path) -> None:
    table = lists({("a/1", "b/1"): 0.5, ("b/1", "a/2"): 0.4, ("a/1", "a/2"): 0.3})
    pa.parquet.write_table(pa.Table.from_pandas(table), tmp_path / "n.parquet")
    found = neighbours_of(tmp_path / "n.parquet", [identity("b/1")])
    assert found["similarity"].tolist() == [0.5, 0.4]
    assert neighbours_of(tmp_path / "n.parquet", []).empty
    with pytest.raises(UserError, match="run the stage index first"):
        neighbours_of(tmp_path / "none", [])


def test_the_images_that_arrived_are_those_of_new_files_that_can_be_used() -> None:
    new = new_with("b/1", copies={"b/2": "a/1"}, rejected={"b/3": "cut off"})
    found = arrived_images(snapshot_of(OLD, groups_of([])), new)
    assert set(found) == {identity("b/1"), identity("a/1")}


numbers = st.lists(st.integers(0, 5), min_size=14, max_size=14)


@settings(deadline=None)
@given(before=numbers, after=numbers, arrived=st.sets(st.integers(0, 13)), listed=st.integers(0, 2**32))
def test_every_pair_of_a_new_image_and_another_member_of_its_group_is_named(
    before: list[int], after: list[int], arrived: set[int], listed: int
) -> None:
    names = [f"{'b' if place in arrived else 'a'}/{place}" for place in range(14)]
    olds = [place for place in range(14) if place not in arrived]
    then, now = _partition(names, before, olds), _partition(names, after, range(14))
    similar = {
        (names[a], names[b]): 0.8 + 0.2 * ((a * 7 + b * 3) % 10) / 10
        for a in range(14)
        for b in range(14)
        if a != b and listed >> ((a * 5 + b) % 32) & 1
    }
    old = manifest(*(names[place] for place in olds))
    found = arrivals(old, manifest(*names), before=then, after=now, similar=similar)
    wanted = {
        frozenset((one, other))
        for group in now
        for one in group
        for other in group
        if one != other and (one.startswith("b") or other.startswith("b"))
    }
    named = {frozenset(pair) for pair in pairs(found.new_pairs)}
    assert wanted <= named
    listed_near = {
        frozenset(pair) for pair, value in similar.items() if value >= 0.9 and any(p.startswith("b") for p in pair)
    }
    assert named == wanted | listed_near
    directed = set(pairs(found.near))
    assert all((one, other) in directed for pair in wanted for one in pair for other in pair - {one} if one[0] == "b")


def _partition(names: list[str], numbers: list[int], places: object) -> list[tuple[str, ...]]:
    groups: dict[int, list[str]] = {}
    for place in places:  # type: ignore[attr-defined]
        groups.setdefault(numbers[place], []).append(names[place])
    return [tuple(group) for number, group in groups.items() if number and len(group) > 1]


def test_the_result_does_not_depend_on_the_order_of_the_lists() -> None:
    new = new_with("b/1", "b/2")
    table = lists({("b/1", "a/1"): 0.95, ("b/2", "b/1"): 0.93, ("a/2", "b/2"): 0.95, ("b/2", "a/3"): 0.95})
    given = (snapshot_of(OLD, groups_of([])), new, groups_of([("a/1", "b/1", "b/2")]))
    one, other = (find_arrivals(*given, rows, threshold=0.9, margin=0.03) for rows in (table, table[::-1]))
    pd.testing.assert_frame_equal(one.pairs, other.pairs)


def test_a_similarity_that_float32_rounded_below_the_threshold_reaches_it() -> None:
    found = arrivals(OLD, new_with("b/1"), similar={("b/1", "a/1"): float(np.float32(0.9))})
    assert pairs(found.new_pairs) == [("b/1", "a/1")]
