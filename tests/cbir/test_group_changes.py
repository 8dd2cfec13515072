"""Tests of cbir.group_changes."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbir.group_changes import Change, group_changes


def groups(*members: str, ids: str = "", alone: str = "") -> pd.DataFrame:
    """Groups of images that are letters; a group's id is its first one, or the letter that ``ids`` has for it."""
    names = ids or "".join(group[0] for group in members)
    rows = [(image, name) for group, name in zip(members, names, strict=True) for image in group]
    return pd.DataFrame([*rows, *((image, None) for image in alone)], columns=["image_id", "group_id"], dtype="str")


@pytest.mark.parametrize(
    ("before", "after", "kind", "ids_before", "ids_after", "gained", "lost"),
    [
        (groups(), groups("ab"), "new", "", "a", 2, 0),
        (groups(alone="a"), groups("ab"), "new", "", "a", 2, 0),
        (groups("ab"), groups("abc"), "grew", "a", "a", 1, 0),
        (groups("bc"), groups("abc"), "grew", "b", "a", 1, 0),
        (groups("abc"), groups("ab", alone="c"), "shrank", "a", "a", 0, 1),
        (groups("abc"), groups("bc"), "shrank", "a", "b", 0, 1),
        (groups("abc"), groups("abd"), "changed", "a", "a", 1, 1),
        (groups("ab", "cd"), groups("abcd"), "merged", "ac", "a", 0, 0),
        (groups("ab", "cd"), groups("abcde"), "merged", "ac", "a", 1, 0),
        (groups("abcd"), groups("ab", "cd"), "split", "a", "ac", 0, 0),
        (groups("abcd"), groups("ab", "cde"), "split", "a", "ac", 1, 0),
        (groups("abc", "de"), groups("ab", "cde"), "regrouped", "ad", "ac", 0, 0),
        (groups("ab"), groups("ab", ids="b"), "renamed", "a", "b", 0, 0),
        (groups("ab"), groups(alone="ab"), "vanished", "a", "", 0, 2),
        (groups("ab"), groups(), "vanished", "a", "", 0, 2),
    ],
)
def test_what_became_of_groups_is_decided_by_the_images_that_they_share(
    before: pd.DataFrame, after: pd.DataFrame, kind: str, ids_before: str, ids_after: str, gained: int, lost: int
) -> None:
    (change,) = group_changes(before, after)
    assert (change.kind, "".join(change.before), "".join(change.after)) == (kind, ids_before, ids_after)
    assert (change.gained, change.lost) == (gained, lost)


def test_groups_that_stayed_as_they_were_are_left_out() -> None:
    assert group_changes(groups("ab", "cd"), groups("ab", "cd", alone="e")) == ()


def test_an_id_that_went_over_to_other_images_is_no_sameness() -> None:
    changes = group_changes(groups("ab"), groups("cd", ids="a", alone="b"))
    assert [change.kind for change in changes] == ["vanished", "new"]


def test_merged_and_split_groups_come_before_those_that_only_grew() -> None:
    before, after = groups("ab", "cd", "ef", "gh"), groups("abcd", "efi", "jk", "gh")
    assert [change.kind for change in group_changes(before, after)] == ["merged", "grew", "new"]


def test_a_group_that_stayed_one_under_another_id_says_so() -> None:
    assert group_changes(groups("bc"), groups("abc"))[0].new_id
    assert not group_changes(groups("ab"), groups("abc"))[0].new_id


parts = st.lists(st.integers(0, 4), min_size=12, max_size=12)


@given(before=parts, after=parts)
def test_every_group_that_differs_is_in_one_change_and_the_sizes_add_up(before: list[int], after: list[int]) -> None:
    old, new = (
        pd.DataFrame({"image_id": list("abcdefghijkl"), "group_id": [f"g{x}" if x else None for x in of]}, dtype="str")
        for of in (before, after)
    )
    changes = group_changes(old, new)
    for table, ids in ((old, [c.before for c in changes]), (new, [c.after for c in changes])):
        named = [one for some in ids for one in some]
        assert len(named) == len(set(named))
        assert set(table["group_id"].dropna()) - set(named) == unchanged(old, new)
    for change in changes:
        assert change.images_after - change.images_before == change.gained - change.lost
        assert sizes(change, old, new) == (change.images_before, change.images_after)


def unchanged(old: pd.DataFrame, new: pd.DataFrame) -> set[str]:
    one, other = (set(table.dropna().groupby("group_id")["image_id"].agg(frozenset).items()) for table in (old, new))
    return {group for group, _ in one & other}


def sizes(change: Change, old: pd.DataFrame, new: pd.DataFrame) -> tuple[int, int]:
    return int(old["group_id"].isin(change.before).sum()), int(new["group_id"].isin(change.after).sum())
