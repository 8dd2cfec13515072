"""Tests of cbir.matching.candidates."""

import numpy as np
import pandas as pd

from cbir.matching.candidates import near_by_embedding, unordered

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
