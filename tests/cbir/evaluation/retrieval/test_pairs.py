"""Tests of cbir.evaluation.retrieval.pairs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbir.evaluation.retrieval.pairs import Pairs, neighbour_pairs
from cbir.evaluation.retrieval.ranking import listed
from tests.support.retrievals import Archive, archive, scattered


def pairs_of(made: Archive, *splits: str) -> Pairs:
    task = made.task()
    return neighbour_pairs(task, listed(task, task.queries(*splits), made.neighbours))


def test_the_two_directions_of_a_pair_are_one_pair() -> None:
    made = archive(np.array([[1, 0], [1, 0.1], [0, 1]]), groups=["a", "a", None], k=1)
    pairs = pairs_of(made)
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(0, 1)]
    assert pairs.true.tolist() == [True]
    assert pairs.total == 1


def test_a_pair_of_differing_directions_has_the_higher_similarity() -> None:
    made = archive(np.array([[1, 0], [1, 0.1], [0, 1]]), groups=["a", "a", None], k=1)
    task = made.task()
    made.neighbours.loc[made.neighbours["query_id"] == made.ids[1], "similarity"] = 0.25
    pairs = neighbour_pairs(task, listed(task, task.queries(), made.neighbours))
    assert pairs.similarity[0] == pytest.approx(made.vectors[0] @ made.vectors[1])


def test_a_true_pair_in_no_list_still_counts_in_the_total() -> None:
    # Images 0 and 2 are one group but lie at right angles; each one's only neighbour is the distractor beside it.
    made = archive(np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]]), groups=["a", None, "a", None], k=1)
    pairs = pairs_of(made)
    assert pairs.total == 1
    assert not pairs.true.any()


def test_pairs_are_sorted_by_falling_similarity() -> None:
    pairs = pairs_of(scattered(groups=12))
    assert (np.diff(pairs.similarity) <= 0).all()


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_pairs_and_their_total_equal_a_naive_count(seed: int) -> None:
    made = scattered(groups=6, distractors=4, noise=2.0, seed=seed, k=5)
    task = made.task()
    queries = set(task.queries("test").tolist())
    pairs = pairs_of(made, "test")
    position = {image: place for place, image in enumerate(made.ids)}
    listed_pairs = {
        frozenset((position[row.query_id], position[row.neighbour_id]))
        for row in made.neighbours.itertuples()
        if position[row.query_id] in queries
    }
    assert {frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == listed_pairs
    assert len(pairs.first) == len(listed_pairs)
    all_pairs = itertools.combinations(range(len(made.ids)), 2)
    together = [p for p in all_pairs if queries & set(p) and task.label[p[0]] == task.label[p[1]] >= 0]
    assert pairs.total == len(together)


def test_undisturbed_weights_count_every_pair_once() -> None:
    pairs = pairs_of(scattered(groups=12, noise=2.0), "test")
    once = np.ones((1, len(pairs.queries)))
    np.testing.assert_array_equal(pairs.weight(once), np.ones((1, len(pairs.similarity))))
    np.testing.assert_array_equal(pairs.resampled(once).true[0], pairs.curve().true)


def test_a_resample_weighs_a_pair_by_the_mean_of_its_queries_and_a_distractors_pair_by_its_query() -> None:
    made = archive(np.array([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3]]), groups=["a", "a", None, None], k=3)
    pairs = pairs_of(made)
    weight = {
        (int(a), int(b)): float(w)
        for a, b, w in zip(pairs.first, pairs.second, pairs.weight(np.array([[2.0, 1.0]]))[0], strict=True)
    }
    assert weight == {(0, 1): 1.5, (0, 2): 2, (0, 3): 2, (1, 2): 1, (1, 3): 1}


def test_shares_of_the_chosen_pairs_add_up_to_their_number() -> None:
    pairs = pairs_of(scattered(groups=12, noise=2.0))
    chosen = pairs.similarity > 0.3
    assert pairs.shares(chosen).sum() == pytest.approx(chosen.sum())


def test_a_query_alone_owns_all_its_pairs() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.2]])
    pairs = pairs_of(archive(vectors, groups=["a", "a", None], splits=["test", "train", None], k=2), "test")
    assert pairs.weight(np.array([[3.0]])).tolist() == [[3, 3]]
    assert pairs.shares(pairs.similarity > 0).tolist() == [2]
    assert pairs.total == 1


def test_without_queries_there_are_no_pairs() -> None:
    pairs = pairs_of(archive(np.eye(3), groups=[None] * 3))
    assert pairs.total == len(pairs.similarity) == 0
