"""cbir.arrivals.changes: compares new images with an archive, on hand-made cases and by chance."""

from itertools import product

import numpy as np
import pytest

from cbir.arrivals.changes import Arrivals, baseline_of, find_arrivals, group_changes
from tests.support.arrivals import arrivals, groups, manifest, matches


def rows(arrived: Arrivals) -> list[tuple[str, str, str | None, bool]]:
    table = arrived.pairs.astype(object).where(arrived.pairs.notna(), None)
    return list(table[["file", "finding", "other_file", "look"]].itertuples(index=False, name=None))


def test_a_near_duplicate_is_named_with_probability_and_the_group_that_it_founds() -> None:
    after = manifest("a/1", "a/2", "a/3", "b/4")
    arrived = arrivals(after, groups(**{"a/1": ["a/1", "b/4"]}), matches(("b/4", "a/1", 0.98)))
    assert rows(arrived) == [("b/4", "near-duplicate", "a/1", False)]
    assert arrived.pairs["probability"].tolist() == [0.98]
    assert arrived.pairs["group"].tolist() == ["founds"]
    assert arrived.pairs["page"].tolist() == [1]
    assert (arrived.files, arrived.rejected, arrived.count("near-duplicate"), arrived.doubtful) == (1, 0, 1, 0)


def test_all_members_of_a_group_are_named_also_those_not_looked_at_and_it_joins_the_group_that_was_there() -> None:
    before, now = groups(**{"a/1": ["a/1", "a/2"]}), groups(**{"a/1": ["a/1", "a/2", "b/4"]})
    arrived = arrivals(manifest("a/1", "a/2", "a/3", "b/4"), now, matches(("b/4", "a/1", 0.98)), before)
    assert rows(arrived) == [("b/4", "near-duplicate", "a/1", False), ("b/4", "near-duplicate", "a/2", False)]
    assert arrived.pairs["group"].tolist() == ["joins", "joins"]


@pytest.mark.parametrize(
    ("likely", "together", "look"),
    [(0.92, True, True), (0.88, False, True), (0.95, False, True), (0.95, True, False), (0.871, False, True)],
)
def test_pairs_near_the_threshold_and_above_it_but_apart_want_a_look(likely: float, together: bool, look: bool) -> None:
    now = groups(**{"a/1": ["a/1", "b/4"]}) if together else groups()
    arrived = arrivals(manifest("a/1", "a/2", "a/3", "b/4"), now, matches(("b/4", "a/1", likely)))
    assert rows(arrived) == [("b/4", "near-duplicate" if together else "possible", "a/1", look)]


def test_pairs_well_below_the_threshold_are_no_relatives() -> None:
    arrived = arrivals(manifest("a/1", "a/2", "a/3", "b/4"), groups(), matches(("b/4", "a/1", 0.86)))
    assert rows(arrived) == [("b/4", "none", None, False)]


def test_copies_and_rejected_files_are_named_and_old_pairs_are_not() -> None:
    after = manifest("a/1", "a/2", "a/3", "b/4=a/2", "b/5=new", "b/6=new", rejected=("b/torn",))
    arrived = arrivals(after, groups(), matches(("a/1", "a/3", 0.99)))
    assert sorted(rows(arrived)) == [
        ("b/4", "exact copy", "a/2", False),
        ("b/5", "exact copy", "b/6", False),
        ("b/6", "exact copy", "b/5", False),
        ("b/torn", "corrupt: cut off", None, False),
    ]
    assert (arrived.files, arrived.rejected, arrived.count("exact copy")) == (4, 1, 3)


def test_a_copy_is_named_with_the_near_duplicates_of_what_it_copies_but_brings_no_new_question() -> None:
    after = manifest("a/1", "a/2", "a/3", "b/4=a/2")
    now = groups(**{"a/1": ["a/1", "a/2"]})
    arrived = arrivals(after, now, matches(("a/2", "a/1", 0.91)), now)
    assert sorted(rows(arrived)) == [("b/4", "exact copy", "a/2", False), ("b/4", "near-duplicate", "a/1", False)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"1": "12"}, [("new", "1", "", 0, 2)]),
        ({"1": "12"}, {"1": "123"}, [("grew", "1", "1", 2, 3)]),
        ({"1": "123"}, {"1": "12"}, [("shrank", "1", "1", 3, 2)]),
        ({"1": "12", "3": "34"}, {"1": "1234"}, [("merged", "1", "1 3", 4, 4)]),
        ({"1": "1234"}, {"1": "12", "3": "34"}, [("split", "1", "1", 4, 2), ("split", "3", "1", 4, 2)]),
        ({"2": "23"}, {"1": "123"}, [("grew", "1", "2", 2, 3)]),
        ({"2": "23"}, {"3": "23"}, [("renamed", "3", "2", 2, 2)]),
        ({"1": "12"}, {}, [("dissolved", "1", "1", 2, 0)]),
        ({"1": "12"}, {"1": "12"}, []),
    ],
)
def test_groups_that_changed_are_told_by_their_members(
    before: dict[str, str], after: dict[str, str], expected: list[tuple[str, str, str, int, int]]
) -> None:
    then = groups(**{name: list(images) for name, images in before.items()})
    baseline = baseline_of(manifest(*(f"a/{number}={number}" for number in "1234")), then)
    now = groups(**{name: list(images) for name, images in after.items()})
    assert list(group_changes(baseline, now).itertuples(index=False, name=None)) == expected


@pytest.mark.heavy
def test_every_pair_of_a_new_image_and_another_member_is_named() -> None:
    chance = np.random.default_rng(0)
    for _ in range(50):
        files = [f"a/{number}" for number in range(30)]
        old = int(chance.integers(3, 29))
        label = chance.integers(0, 8, len(files))
        now = groups(
            **{str(group): [f for f, of in zip(files, label, strict=True) if of == group] for group in range(8)}
        )
        baseline = baseline_of(manifest(*files[:old]), now[now["image_id"].isin(files[:old])])
        arrived = find_arrivals(baseline, manifest(*files), now, matches(), threshold=0.9, margin=0.01)
        named = set(zip(arrived.pairs["image_id"], arrived.pairs["other_id"], strict=True))
        new = [(image, other) for image, other in product(range(old, 30), range(30)) if image != other]
        expected = {(files[image], files[other]) for image, other in new if label[image] == label[other]}
        assert {pair for pair in named if pair[1] == pair[1]} == expected
