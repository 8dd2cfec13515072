"""Tests of cbir.serving.outside."""

import numpy as np
import pandas as pd

from cbir.matching.standing import stand
from cbir.serving.outside import stand_outside

LISTED = 5


def test_a_picture_stands_to_an_archive_as_it_would_if_it_were_in_it() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    rows = [
        (f"{query:02d}", rank + 1, f"{other:02d}", cosines[query, other])
        for query in range(20)
        for rank, other in enumerate(np.argsort(-cosines[query])[:LISTED])
    ]
    neighbours = pd.DataFrame(rows, columns=["query_id", "rank", "neighbour_id", "similarity"])
    others = np.argsort(-cosines[0])[:12]
    pairs = np.stack([np.zeros(12, int), others], axis=1)
    wanted = stand(pairs, neighbours, np.array([f"{row:02d}" for row in range(20)], object), vectors)

    archive = cosines.copy()
    archive[:, 0] = -2  # the others do not know of it
    theirs = [np.sort(archive[other])[::-1][:LISTED] for other in others]
    standing = stand_outside(cosines[0, others], np.sort(cosines[0])[::-1][:LISTED], theirs, listed=LISTED)
    np.testing.assert_allclose(standing.nearness, wanted.nearness, atol=1e-6)
    np.testing.assert_array_equal(standing.ranks, wanted.ranks)
    np.testing.assert_allclose(standing.similarity, wanted.similarity, atol=1e-6)
