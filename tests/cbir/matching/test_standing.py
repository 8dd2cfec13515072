"""Tests of cbir.matching.standing, against numbers counted by hand."""

import numpy as np
import pandas as pd
import pytest

from cbir.matching.standing import stand

IDS = np.array(["a", "b", "c"], object)
VECTORS = np.array([(1, 0), (0.8, 0.6), (0, 1)], np.float32)
NEIGHBOURS = pd.DataFrame(
    [("a", 1, "b", 0.8), ("a", 2, "c", 0.0), ("b", 1, "a", 0.8), ("b", 2, "c", 0.6), ("c", 1, "b", 0.6)],
    columns=["query_id", "rank", "neighbour_id", "similarity"],
)


def test_similarity_nearness_and_ranks_are_those_counted_by_hand() -> None:
    standing = stand(np.array([(0, 1), (0, 2), (1, 2)]), NEIGHBOURS, IDS, VECTORS)
    assert standing.similarity.tolist() == pytest.approx([0.8, 0.0, 0.6])
    assert standing.ranks.tolist() == [[1, 1], [2, 3], [2, 1]]  # c's list ends before a
    last = {"a": 1.0, "b": 0.4, "c": 0.4}
    expected = [1 - 0.2 / (last["a"] * last["b"]) ** 0.5, 1 - 1 / (last["a"] * last["c"]) ** 0.5, 1 - 0.4 / 0.4]
    assert standing.nearness.tolist() == pytest.approx(expected, abs=1e-5)


def test_an_archive_of_no_pair_has_no_standing() -> None:
    standing = stand(np.zeros((0, 2), np.int64), NEIGHBOURS.iloc[:0], IDS, VECTORS)
    assert len(standing.similarity) == len(standing.nearness) == len(standing.ranks) == 0
