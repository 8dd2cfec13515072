"""Tests of cbir.robustness.measuring."""

import numpy as np
import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.embedding.files import Embeddings
from cbir.robustness import measuring as robustness
from cbir.robustness.alterations import KINDS
from cbir.robustness.measuring import Robustness, choose, document, measure, ranks, table, take
from tests.support.manifests import image_id_of, manifest

RNG = np.random.default_rng(0)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def naive(vectors: np.ndarray, label: np.ndarray, queries: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Ranks by a loop over everything that a copy has to pass."""
    ahead = np.zeros(copies.shape[:2], int)
    for q, query in enumerate(queries):
        for k in range(copies.shape[1]):
            others = [vectors[i] for i in range(len(vectors)) if label[i] != label[query]]
            others += [c for p, o in enumerate(queries) if label[o] != label[query] for c in copies[p]]
            ahead[q, k] = 1 + sum(vectors[query] @ other >= vectors[query] @ copies[q, k] for other in others)
    return ahead


@pytest.mark.parametrize("block", [1 << 24, 50])
def test_ranks_are_those_of_a_naive_loop_in_blocks_of_any_size(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "_BLOCK", block)
    vectors, label = unit(RNG.normal(size=(40, 6))), np.arange(40) // 2
    queries = np.array([0, 1, 7, 20, 39])
    copies = unit(vectors[queries, None] + 0.7 * RNG.normal(size=(5, 3, 6)))
    rank, similarity = ranks(vectors, label, queries, copies)
    np.testing.assert_array_equal(rank, naive(vectors, label, queries, copies))
    assert rank.max() > 5
    np.testing.assert_allclose(similarity[2], copies[2] @ vectors[7], rtol=1e-5)


def test_the_image_its_group_and_their_copies_are_no_fault_before_a_copy() -> None:
    # The query's twin and its other copy are nearer than the copy that came back; one stranger is too.
    vectors = unit(np.array([[1, 0], [1, 0.01], [1, 0.2], [0, 1]]))
    copies = unit(np.array([[[1, 0.05], [1, 0.3]]]))
    rank, _ = ranks(vectors, np.array([0, 0, 1, 2]), np.array([0]), copies)
    assert rank.tolist() == [[1, 2]]


def test_an_encoder_to_which_all_images_are_the_same_finds_nothing() -> None:
    vectors = unit(np.ones((6, 3)))
    rank, _ = ranks(vectors, np.arange(6), np.array([0, 1]), unit(np.ones((2, 2, 3))))
    assert (rank == 1 + 5 + 2).all()


def test_a_choice_grows_with_the_archive_by_new_images_alone() -> None:
    small = pd.DataFrame({"image_id": sorted(image_id_of(f"a/{n}") for n in range(50))})
    large = pd.DataFrame({"image_id": sorted(image_id_of(f"a/{n}") for n in range(60))})
    before = set(choose(small, count=20, seed=0)["image_id"])
    after = set(choose(large, count=20, seed=0)["image_id"])
    assert len(before) == len(after) == 20
    assert after - before <= set(large["image_id"]) - set(small["image_id"])
    assert len(after & before) >= 12
    assert set(choose(small, count=20, seed=1)["image_id"]) != before


def test_a_choice_of_more_than_there_are_takes_all_sorted() -> None:
    images = pd.DataFrame({"image_id": ["c", "a", "b"]})
    assert choose(images, count=10, seed=0)["image_id"].tolist() == ["a", "b", "c"]


def test_files_are_taken_by_their_path_once_each_whatever_their_accents_are_made_of() -> None:
    files = manifest("a/é.jpg", "b/2.jpg", pages={"c/3.tif": 2}, copies={"a/copy.jpg": "b/2.jpg"})
    taken = take(files, ["a/e\u0301.jpg", "b/2.jpg", "a/copy.jpg", "c/3.tif"])
    assert sorted(taken["image_id"]) == sorted([image_id_of("a/é.jpg"), image_id_of("b/2.jpg"), image_id_of("c/3.tif")])
    assert taken["image_id"].is_monotonic_increasing
    assert set(taken["page"]) == {0}


def test_a_file_that_is_not_there_is_named_with_the_nearest() -> None:
    files = manifest("old/IMG_001.jpg", "old/z.jpg", rejected={"old/IMG_002.jpg": "cut off"})
    for wrong in ("old/IMG_0001.jpg", "old/IMG_002.jpg"):
        with pytest.raises(UserError, match=rf"robustness\.chosen names {wrong}.*did you mean old/IMG_001\.jpg\?"):
            take(files, ["old/z.jpg", wrong])


def measured(*, seed: int = 0) -> Robustness:
    """Twelve images, of which four ask, and copies that are near to them."""
    rng, ids = np.random.default_rng(seed), np.array([f"{n:032x}" for n in range(12)], dtype=object)
    vectors = unit(np.random.default_rng(1).normal(size=(12, 8)))
    copies = unit(vectors[2:6, None] + 0.5 * rng.normal(size=(4, len(KINDS), 8)))
    images = pd.DataFrame({"image_id": ids[2:6], "path": [f"a/{n}.jpg" for n in range(4)], "page": 0})
    truth = pd.DataFrame({"image_id": ids[:3], "group_id": ["x", None, "x"]})
    return measure(images, copies, Embeddings(ids, vectors, "d"), truth)


def test_every_kind_of_each_image_has_a_rank_and_a_similarity() -> None:
    result = measured()
    assert result.rank.shape == result.similarity.shape == (4, len(KINDS))
    # The archive without the image, in a group of two for the first, and the copies of the other images.
    assert (result.rank >= 1).all()
    assert (result.rank[0] <= 1 + 10 + 15).all()
    assert (result.rank[1:] <= 1 + 11 + 15).all()
    assert (np.abs(result.similarity) <= 1).all()
    assert len(set(result.unit)) == 4


def result(rank: np.ndarray, units: np.ndarray) -> Robustness:
    count = len(rank)
    images = pd.DataFrame({"image_id": [f"i{n}" for n in range(count)], "path": [f"p{n}" for n in range(count)]})
    return Robustness(images.assign(page=1), rank, 1 / rank, units, gallery=100)


def test_the_document_has_recall_and_reciprocal_rank_by_kind_and_their_means() -> None:
    rank = np.array([[1, 1, 1, 1, 2], [1, 2, 4, 1, 10]])
    numbers = document(result(rank, np.array([0, 1])), seed=0)
    assert [numbers[f"recall@1_{kind}"] for kind in KINDS] == [1.0, 0.5, 0.5, 1.0, 0.0]
    assert numbers["recall@1"] == pytest.approx(0.6)
    assert numbers["mrr_press"] == pytest.approx((1 / 2 + 1 / 10) / 2)
    assert numbers["mrr"] == pytest.approx((1 / rank).mean(), abs=1e-6)
    assert numbers["counts"] == {"images": 2, "groups": 2, "gallery": 100}
    assert set(numbers["ci95"]) == {name for name, value in numbers.items() if isinstance(value, float)}


def test_intervals_lie_around_the_values_and_are_wider_for_images_of_few_groups() -> None:
    rank = np.random.default_rng(1).integers(1, 3, size=(8, 1)).repeat(10, axis=0).repeat(5, axis=1)
    apart, together = (document(result(rank, np.arange(80) // size), seed=0) for size in (1, 10))
    widths = []
    for numbers in (apart, together):
        low, high = numbers["ci95"]["recall@1"]["low"], numbers["ci95"]["recall@1"]["high"]
        assert low <= numbers["recall@1"] <= high
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]


def test_one_image_has_figures_and_no_intervals() -> None:
    numbers = document(result(np.ones((1, 5), int), np.zeros(1, int)), seed=0)
    assert numbers["recall@1"] == 1
    assert numbers["ci95"]["recall@1"] == {"low": None, "high": None}


def test_the_table_has_a_row_an_image_and_kind() -> None:
    rows = table(result(np.arange(1, 11).reshape(2, 5), np.array([0, 1])))
    assert list(rows.columns) == ["path", "page", "kind", "rank", "similarity"]
    assert len(rows) == 10
    assert rows.set_index(["path", "kind"]).loc[("p1", "press"), "rank"] == 10
    assert set(rows["page"]) == {2}
