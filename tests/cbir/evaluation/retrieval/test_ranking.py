"""Tests of cbir.evaluation.retrieval.ranking."""

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbir.evaluation.retrieval import ranking
from cbir.evaluation.retrieval.ranking import by_probability, exact, is_looked_at, listed, ranked_lists
from tests.support.retrievals import archive, scattered


@pytest.mark.parametrize("k", [10, 12])
def test_the_index_lists_serve_where_they_are_long_enough(k: int) -> None:
    made = scattered(groups=9, k=k)
    task = made.task()
    lists = ranked_lists(task, task.queries(), made.neighbours.assign(similarity=0.5), made.vectors)
    assert lists.neighbours.shape == (27, k)
    assert (lists.similarities == 0.5).all()


def test_the_labelled_gallery_is_ranked_anew_in_full_length() -> None:
    made = scattered(groups=9, k=12)
    task = made.task(gallery="labelled")
    lists = ranked_lists(task, task.queries(), made.neighbours, made.vectors)
    assert lists.neighbours.shape == (27, 12)
    assert set(lists.neighbours.ravel().tolist()) <= set(task.gallery.tolist())


def test_classes_larger_than_the_index_lists_are_ranked_anew_as_deep_as_the_largest() -> None:
    made = archive(
        np.random.default_rng(0).normal(size=(60, 8)), groups=[None] * 60, classes=["x"] * 40 + ["y"] * 20, k=12
    )
    task = made.task()
    lists = ranked_lists(task, task.queries(), made.neighbours, made.vectors)
    assert lists.neighbours.shape == (60, 39)
    np.testing.assert_array_equal(lists.neighbours[:, :12], listed(task, task.queries(), made.neighbours).neighbours)


@pytest.mark.parametrize(("entries", "k", "rank"), [(20, 12, 20), (5, 12, 12), (5, 3, 10)])
def test_lists_that_would_be_too_many_are_cut_with_a_warning_but_not_below_what_is_listed_and_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, entries: int, k: int, rank: int
) -> None:
    monkeypatch.setattr(ranking, "_ENTRIES", 60 * entries)
    made = archive(np.random.default_rng(0).normal(size=(60, 8)), groups=[None] * 60, classes=["x"] * 60, k=k)
    task = made.task()
    with caplog.at_level(logging.WARNING):
        assert ranked_lists(task, task.queries(), made.neighbours, made.vectors).neighbours.shape == (60, rank)
    assert caplog.messages == [
        f"right images beyond rank {rank} of 59 count as missed: there are too many pairs to rank all"
    ]


def test_lists_that_just_fit_are_not_cut(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(ranking, "_ENTRIES", 60 * 59)
    made = archive(np.random.default_rng(0).normal(size=(60, 8)), groups=[None] * 60, classes=["x"] * 60, k=12)
    task = made.task()
    assert ranked_lists(task, task.queries(), made.neighbours, made.vectors).neighbours.shape == (60, 59)
    assert caplog.messages == []


def test_a_small_archive_is_searched_to_its_end() -> None:
    made = archive(np.eye(3), groups=["a", "a", None])
    task = made.task()
    assert ranked_lists(task, task.queries(), made.neighbours, made.vectors).neighbours.shape == (2, 2)


def test_an_archive_of_one_image_has_empty_lists() -> None:
    made = archive(np.eye(1), groups=[None])
    task = made.task()
    assert ranked_lists(task, task.queries(), made.neighbours, made.vectors).neighbours.shape == (0, 0)
    lists = exact(task, np.array([0]), made.vectors, depth=0)
    assert lists.queries.tolist() == [0]
    assert lists.neighbours.shape == lists.similarities.shape == (1, 0)


def test_shorter_lists_of_the_index_end_in_minus_one() -> None:
    made = scattered(groups=4, k=12)
    short = made.neighbours[(made.neighbours["query_id"] != made.ids[3]) | (made.neighbours["rank"] <= 5)]
    task = made.task()
    lists = listed(task, task.queries(), short)
    assert (lists.neighbours[3, 5:] == -1).all()
    assert np.isneginf(lists.similarities[3, 5:]).all()
    assert (np.delete(lists.neighbours, 3, axis=0) >= 0).all()


def test_a_part_of_the_queries_keeps_its_lists() -> None:
    made = scattered(groups=9)
    task = made.task()
    tested = listed(task, task.queries(), made.neighbours).of(task.queries("test"))
    np.testing.assert_array_equal(tested.neighbours, listed(task, task.queries("test"), made.neighbours).neighbours)


@given(st.integers(0, 1000), st.integers(1, 14), st.integers(1, 5))
def test_brute_force_in_blocks_equals_a_plain_sort(seed: int, depth: int, block_rows: int) -> None:
    rng = np.random.default_rng(seed)
    made = archive(rng.integers(-1, 2, size=(15, 3)) + 0.1, groups=["a"] * 15)
    task = made.task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_BLOCK", 15 * block_rows)
        lists = exact(task, task.queries(), made.vectors, depth=depth)
    for query, row, similarities in zip(lists.queries, lists.neighbours, lists.similarities, strict=True):
        others = [place for place in range(15) if place != query]
        best = sorted((float(made.vectors[query] @ made.vectors[place]) for place in others), reverse=True)[:depth]
        assert query not in row
        assert len(set(row.tolist())) == depth
        np.testing.assert_allclose(similarities, best, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 7, 40, 199])
def test_brute_force_among_a_thousand_images_takes_the_nearest(depth: int) -> None:
    made = archive(np.random.default_rng(1).normal(size=(1000, 4)), groups=["a"] * 1000)
    task = made.task()
    cosine = made.vectors @ made.vectors.T
    np.fill_diagonal(cosine, -np.inf)
    lists = exact(task, task.queries(), made.vectors, depth=depth)
    np.testing.assert_array_equal(lists.neighbours, np.argsort(-cosine, axis=1, kind="stable")[:, :depth])


def test_brute_force_lists_images_of_equal_similarity_in_the_order_of_their_ids() -> None:
    made = archive(np.repeat(np.eye(3), 40, axis=0), groups=["a"] * 120)
    task = made.task()
    lists = exact(task, task.queries(), made.vectors, depth=119)
    for query, row in zip(lists.queries, lists.neighbours, strict=True):
        alike = [place for place in range(120) if place // 40 == query // 40 and place != query]
        assert row.tolist() == alike + [place for place in range(120) if place // 40 != query // 40]


def test_without_embeddings_the_lists_serve_as_they_are_less_what_is_not_in_the_gallery() -> None:
    made = scattered(groups=9, k=12)
    task = made.task(gallery="labelled")
    lists = ranked_lists(task, task.queries(), made.neighbours, None)
    for row, query in enumerate(task.queries()):
        near = made.neighbours[made.neighbours["query_id"] == made.ids[query]]["neighbour_id"]
        kept = [made.ids.tolist().index(image_id) for image_id in near if image_id in set(made.ids[task.gallery])]
        assert lists.neighbours[row, : len(kept)].tolist() == kept
        assert (lists.neighbours[row, len(kept) :] == -1).all()


def test_pairs_that_were_looked_at_lead_the_lists_and_the_others_follow_as_they_were() -> None:
    made = archive(np.stack([np.ones(6), np.linspace(0, 1, 6)], axis=1), groups=["a", "a", *[None] * 4])
    task = made.task()
    near = ranked_lists(task, task.queries(), made.neighbours, made.vectors)
    rows = [(made.ids[0], 1, made.ids[5], 0.75), (made.ids[0], 2, made.ids[2], 0.25)]
    matches = pd.DataFrame(rows, columns=["query_id", "rank", "neighbour_id", "probability"])
    lists = by_probability(task, near, matches)
    assert lists.neighbours.tolist() == [[5, 2, 1, 3, 4], near.neighbours[1].tolist()]
    assert lists.similarities[0, :2].tolist() == [0.75, 0.25]
    assert is_looked_at(lists.similarities).tolist() == [[True, True, False, False, False], [False] * 5]


def test_a_match_outside_the_gallery_is_in_no_list() -> None:
    made = archive(np.eye(4) + 0.1, groups=["a", "a", None, None])
    task = made.task(gallery="labelled")
    near = ranked_lists(task, task.queries(), made.neighbours, made.vectors)
    rows = [(made.ids[0], 1, made.ids[2], 0.75), (made.ids[0], 2, made.ids[1], 0.5)]
    matches = pd.DataFrame(rows, columns=["query_id", "rank", "neighbour_id", "probability"])
    lists = by_probability(task, near, matches)
    assert (lists.neighbours.tolist(), lists.similarities[0].tolist()) == ([[1], [0]], [0.5])
