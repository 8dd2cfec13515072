"""Tests of cbir.matching.archive, on an archive of drawn scenes whose embeddings know nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cbir.embedding.files import Embeddings
from cbir.images.reduced import ReducedImages
from cbir.matching import description, evidence
from cbir.matching.archive import Matching, match_archive
from cbir.matching.evidence import gather
from cbir.matching.local.features import extract
from tests.support.pictures import cropped, mirrored, picture, turned

NUMBERS = (0, 3, 6, 11)
PICTURES = {
    **{f"{number:02}-whole": picture(number) for number in NUMBERS},
    "00-turned": turned(picture(0), 12),
    "03-mirrored": mirrored(picture(3)),
    "06-cropped": cropped(picture(6)),
}
IDS = np.array(sorted(PICTURES), object)
SETTINGS = Matching(features=400, neighbours=1, votes=3, implied=5, closer=1)


def images(ids: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"image_id": ids, "path": [f"{name}.png" for name in ids], "page": 0, "accession": "a"})


def matched(store: Path, ids: np.ndarray = IDS, *, settings: Matching = SETTINGS, **changes: Any) -> pd.DataFrame:
    """The matches of an archive in which each image is the neighbour of the next, and all vectors are the same."""
    source = ReducedImages(store, store / "raw", longest_side=512)
    for name in ids:
        source.put(name, PICTURES[name])
    vectors = np.tile(np.array([0.6, 0.8], np.float32), (len(ids), 1))
    rows = {"query_id": ids, "rank": 1, "neighbour_id": np.roll(ids, 1), "similarity": np.float32(1)}
    table = images(ids).assign(**changes)
    return match_archive(table, pd.DataFrame(rows), Embeddings(ids, vectors, ""), source, store, settings)


@pytest.fixture(scope="module")
def matches(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return matched(tmp_path_factory.mktemp("store"))


def test_the_copies_are_the_most_likely_and_their_relation_is_told(matches: pd.DataFrame) -> None:
    same = matches[matches["relation"] == "same photograph"]
    expected = [("00-turned", "00-whole"), ("03-mirrored", "03-whole"), ("06-cropped", "06-whole")]
    assert sorted(zip(same["query_id"], same["neighbour_id"], strict=True)) == sorted(
        [*expected, *((other, first) for first, other in expected)]
    )
    assert (same["rank"] == 1).all()
    mirrored_pairs = same[same["mirrored"]]
    assert set(mirrored_pairs["query_id"]) == {"03-mirrored", "03-whole"}


def test_no_image_matches_itself_and_each_pair_stands_in_both_directions(matches: pd.DataFrame) -> None:
    pairs = set(zip(matches["query_id"], matches["neighbour_id"], strict=True))
    assert len(pairs) == len(matches)
    assert all(first != other and (other, first) in pairs for first, other in pairs)


def test_pages_of_one_file_are_told(tmp_path: Path) -> None:
    table = matched(tmp_path, IDS[:2], path="one.tif")
    assert set(table["relation"]) == {"same file"}


def test_a_rerun_computes_nothing_and_a_new_image_its_own_pairs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = matched(tmp_path, IDS[:-1])
    described, gathered = [], []
    monkeypatch.setattr(description, "extract", lambda *a, **k: described.append(1) or extract(*a, **k))
    monkeypatch.setattr(evidence, "gather", lambda *a: gathered.append(1) or gather(*a))
    pd.testing.assert_frame_equal(matched(tmp_path, IDS[:-1]), first)
    assert (described, gathered) == ([], [])
    grown = matched(tmp_path)
    assert len(described) == 1
    new = grown[grown["query_id"] == IDS[-1]]
    assert 0 < len(gathered) <= len(new) + 3  # and pairs that others proposed otherwise


def test_what_was_stored_leaves_no_trace_in_the_table(tmp_path: Path) -> None:
    matched(tmp_path / "warm", IDS[:-1])
    pd.testing.assert_frame_equal(matched(tmp_path / "warm"), matched(tmp_path / "cold"))


def test_an_archive_of_one_image_has_no_match(tmp_path: Path) -> None:
    source = ReducedImages(tmp_path, tmp_path / "raw", longest_side=512)
    source.put(IDS[0], PICTURES[IDS[0]])
    nobody = pd.DataFrame({"query_id": [], "rank": [], "neighbour_id": [], "similarity": []})
    embeddings = Embeddings(IDS[:1], np.ones((1, 1), np.float32), "")
    assert match_archive(images(IDS[:1]), nobody, embeddings, source, tmp_path, SETTINGS).empty


def test_a_pair_that_two_likely_pairs_imply_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PICTURES, "00-again", turned(picture(0), -9))
    ids = np.array(
        ["00-again", "00-turned", "00-whole", "03-whole"], object
    )  # a ring: each is the next one's neighbour
    named = []
    for most in (0, 5):
        table = matched(tmp_path, ids, settings=replace(SETTINGS, votes=0, implied=most))
        named.append(set(zip(table["query_id"], table["neighbour_id"], strict=True)))
    assert named[1] - named[0] == {("00-again", "00-whole"), ("00-whole", "00-again")}
