"""Tests of cbir.matching.candidates."""

import itertools

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cbir.matching.candidates import LIKELY, implied, near_by_embedding, unordered

IDS = np.array(["a", "b", "c"], object)
NEIGHBOURS = pd.DataFrame(
    [("a", 1, "c"), ("a", 2, "b"), ("b", 1, "c"), ("b", 2, "a"), ("c", 1, "b"), ("c", 2, "a")],
    columns=["query_id", "rank", "neighbour_id"],
)


def test_each_pair_is_proposed_once_whoever_lists_it() -> None:
    assert near_by_embedding(NEIGHBOURS, IDS, most=1).tolist() == [[0, 2], [1, 2]]
    assert near_by_embedding(NEIGHBOURS, IDS, most=2).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert near_by_embedding(NEIGHBOURS, IDS, most=0).tolist() == []


def test_pairs_are_sorted_with_the_smaller_position_first() -> None:
    assert unordered(np.array([3, 0, 2]), np.array([1, 2, 0])).tolist() == [[0, 2], [1, 3]]


def test_two_likely_pairs_imply_the_third_and_unlikely_ones_nothing() -> None:
    pairs = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    probability = np.array([0.9, 0.8, 0.7, 0.2], np.float32)
    assert implied(pairs, probability, most=5).tolist() == [[0, 2], [1, 3]]
    assert implied(np.array([[0, 1], [0, 2], [1, 2]]), np.full(3, 0.9, np.float32), most=5).tolist() == []
    assert implied(pairs, probability, most=0).tolist() == []
    assert implied(pairs[:0], probability[:0], most=5).tolist() == []


def test_an_image_takes_the_implied_pairs_that_its_likely_pairs_speak_for_most() -> None:
    pairs = np.array([[0, 1], [1, 2], [1, 3], [0, 4], [3, 4]])  # of 2 and 3, both relatives of 0 know 3
    probability = np.full(5, 0.9, np.float32)
    assert [0, 3] in implied(pairs, probability, most=1).tolist()
    assert implied(pairs, probability, most=5).tolist() == [[0, 2], [0, 3], [1, 4], [2, 3]]


@given(st.integers(0, 10_000))
def test_implied_pairs_are_those_of_a_naive_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = unordered(*rng.permuted(np.tile(np.arange(12), (15, 1)), axis=1)[:, :2].T)
    probability = rng.random(len(pairs)).astype(np.float32)
    likely = {tuple(pair) for pair in pairs[probability >= LIKELY].tolist()}
    seen = {tuple(pair) for pair in pairs.tolist()}
    expected = {
        (a, c)
        for a, c in itertools.combinations(range(12), 2)
        if (a, c) not in seen
        and any({(min(a, b), max(a, b)), (min(b, c), max(b, c))} <= likely for b in range(12) if b not in (a, c))
    }
    assert {tuple(pair) for pair in implied(pairs, probability, most=12).tolist()} == expected
