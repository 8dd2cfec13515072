"""Tests of cbir.matching.candidates: new images cost their own, and the order of runs changes nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cbir.matching import candidates as module
from cbir.matching.local.features import Features, extract
from cbir.matching.local.voting import LocalIndex
from tests.support.pictures import cropped, mirrored, picture, turned

PICTURES = {
    "a0": picture(0),
    "a3": picture(3),
    "b0": cropped(picture(0)),
    "b6": picture(6),
    "c3": mirrored(picture(3)),
    "c6": turned(picture(6), 10),
}
FEATURES = {name: extract(pixels) for name, pixels in PICTURES.items()}


def voted(
    store: Path, names: Sequence[str] = tuple(FEATURES), *, accessions: Sequence[str] = ()
) -> set[tuple[str, str]]:
    """The pairs by name; an image's accession is its first letter."""
    known: list[Features] = [FEATURES[name] for name in names]
    pairs = module.votes_of(known, names, accessions or [name[0] for name in names], most=2, store=store)
    return {(names[first], names[other]) for first, other in pairs}


def test_copies_are_voted_for_also_in_the_mirror_and_only_by_those_that_came_later(tmp_path: Path) -> None:
    pairs = voted(tmp_path)
    assert {("b0", "a0"), ("c3", "a3"), ("c6", "b6")} <= pairs
    assert all(first[0] >= other[0] and first != other for first, other in pairs)


def test_accessions_that_come_one_after_the_other_give_what_all_at_once_give(tmp_path: Path) -> None:
    every = voted(tmp_path / "at once")
    for count in (2, 4, 6):
        last = voted(tmp_path / "in turn", list(FEATURES)[:count])
    assert last == every
    assert voted(tmp_path / "shuffled", list(reversed(FEATURES))) == every


def test_a_new_accession_votes_alone_and_a_rerun_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voted(tmp_path, list(FEATURES)[:4])
    asked, added = [], []
    candidates, add = LocalIndex.candidates, LocalIndex.add
    monkeypatch.setattr(LocalIndex, "candidates", lambda self, *a, **k: asked.append(1) or candidates(self, *a, **k))
    monkeypatch.setattr(LocalIndex, "add", lambda self, images: add(self, (added.append(1) or each for each in images)))
    voted(tmp_path)
    assert (len(asked), len(added)) == (2 * 2, 2)
    voted(tmp_path)
    assert (len(asked), len(added)) == (2 * 2, 2)


def test_an_accession_that_changes_is_voted_anew_with_those_after_it(tmp_path: Path) -> None:
    voted(tmp_path)
    names = ["a0", "b0", "b6", "c3", "c6"]
    assert voted(tmp_path, names) == voted(tmp_path / "fresh", names)


def test_a_kill_between_two_steps_and_a_damaged_index_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    expected = voted(tmp_path / "whole")
    candidates, asked = LocalIndex.candidates, []

    def killed(self: LocalIndex, *arguments: object, **options: object) -> list[int]:
        asked.append(1)
        if len(asked) == 8:
            raise KeyboardInterrupt
        return candidates(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(LocalIndex, "candidates", killed)
        with pytest.raises(KeyboardInterrupt):
            voted(tmp_path / "killed")
    assert voted(tmp_path / "killed") == expected
    (tmp_path / "killed/votes/descriptors.faiss").write_bytes(b"damaged")
    others = ["a0", "a3", "b0", "b6", "c6"]
    assert voted(tmp_path / "killed", others) == voted(tmp_path / "new", others)


def test_an_archive_without_images_or_features_votes_for_nothing(tmp_path: Path) -> None:
    assert voted(tmp_path, []) == set()
    blank = extract(np.zeros((64, 64), np.uint8))
    assert len(module.votes_of([blank, blank], ["x", "y"], ["a", "a"], most=2, store=tmp_path / "blank")) == 0
