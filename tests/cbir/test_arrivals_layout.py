"""Tests of cbir.arrivals_layout."""

import pytest

from cbir import arrivals_layout
from cbir.arrivals_layout import lay_out
from tests.cbir.archives import arrivals, eventful
from tests.cbir.manifests import identity, manifest


def test_a_group_shows_its_new_images_first_each_with_its_similarity_to_the_others() -> None:
    first, second = lay_out(eventful(), {identity("a/1"): "Médine"}).groups
    assert [member.image.first.path for member in first.members] == ["b/1", "b/2", "a/1"]
    assert [member.related for member in first.members] == [((3, 0.97), (2, 0.91)), ((1, 0.91), (3, 0.88)), ()]
    assert [member.image.caption for member in first.members] == [None, None, "Médine"]
    assert [file.path for file in first.members[2].image.files] == ["a/1", "b/c"]
    assert (first.role, first.size, first.new) == ("joins", 3, 2)
    assert second.members[0].related == ((2, None), (3, None))


def test_pairs_to_look_at_stand_with_the_nearest_to_the_threshold_first() -> None:
    look = lay_out(eventful(), {}).look
    assert [(pair.image.first.path, pair.other.first.path, pair.together) for pair in look] == [
        ("b/2", "a/2", False),
        ("b/1", "b/2", True),
        ("b/3", "a/5", False),
        ("b/2", "a/1", True),
    ]


def test_copies_and_images_without_relatives_have_parts_of_their_own() -> None:
    layout = lay_out(eventful(), {})
    assert [[file.path for file in copied.image.files] for copied in layout.copies] == [["a/1", "b/c"]]
    assert layout.copies[0].group_id is not None
    assert [image.first.path for image in layout.alone] == ["b/4"]


def test_every_image_that_is_shown_is_pictured_once() -> None:
    layout = lay_out(eventful(), {})
    shown = [image.first.path for image in layout.images]
    assert sorted(shown) == ["a/1", "a/2", "a/3", "a/4", "a/5", "b/1", "b/2", "b/3", "b/4"]
    assert layout.pictures == 2 * 4 + 3 + 3 + 1 + 1


def test_a_large_group_shows_some_pictures_and_the_names_of_the_rest() -> None:
    new = [f"b/{place:02}" for place in range(20)]
    (group,) = lay_out(arrivals(manifest(), manifest(*new), after=[tuple(new)]), {}).groups
    assert (len(group.members), len(group.more), group.size) == (12, 8, 20)
    assert len(group.members[0].related) == 11


def test_what_is_more_than_a_browser_opens_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_PAIRS", "MOST_COPIES", "MOST_ALONE"):
        monkeypatch.setattr(arrivals_layout, name, 1)
    monkeypatch.setattr(arrivals_layout, "MOST_MEMBERS", 4)
    new = [f"b/{place}" for place in range(6)]
    copies = {"c/1": "b/4", "c/2": "b/5"}
    similar = {("b/0", "b/1"): 0.9, ("b/2", "b/3"): 0.9}
    groups = [("b/0", "b/1"), ("b/2", "b/3"), ("b/4",), ("b/5",)]
    found = arrivals(manifest(), manifest(*new, "d/1", "d/2", copies=copies), after=groups, similar=similar)
    layout = lay_out(found, {})
    assert (len(layout.look), len(layout.groups), len(layout.copies), len(layout.alone)) == (1, 2, 1, 1)
    assert (layout.all_groups, layout.all_copies, layout.all_alone) == (2, 2, 2)
    assert len(layout.looked_at) == 4
    monkeypatch.setattr(arrivals_layout, "MOST_MEMBERS", 3)
    assert len(lay_out(found, {}).groups) == 1
