"""Tells how two images stand to each other by their embeddings, in numbers that no encoder's habits shift."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_CHUNK = 8192  # pairs whose vectors are in memory at once


@dataclass(frozen=True)
class Standing:
    """The standing of pairs among their neighbours.

    Attributes:
        similarity: (m,) float32 cosines.
        nearness: (m,), 1 for the same vector, 0 for a pair as far apart as each is from the last of its neighbours,
            -1 at the least. Encoders differ in the cosines that they give to strangers; this does not see it.
        ranks: (m, 2), of the second in the list of the first, and of the first in that of the second; one behind the
            end of a list that does not hold it.
    """

    similarity: NDArray[np.float32]
    nearness: NDArray[np.float64]
    ranks: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> "Standing":
        """Returns the standing of some of the pairs."""
        return Standing(self.similarity[rows], self.nearness[rows], self.ranks[rows])


def stand(
    pairs: NDArray[np.int64], neighbours: pd.DataFrame, ids: NDArray[np.object_], vectors: NDArray[np.float32]
) -> Standing:
    """Measures pairs.

    Args:
        pairs: (m, 2) positions in ``ids``.
        neighbours: query_id, rank, neighbour_id, similarity.
        ids, vectors: (n,) image_ids, sorted, and their L2-normalised vectors (n, d).
    """
    index = pd.Index(ids)
    query, neighbour = index.get_indexer(neighbours["query_id"]), index.get_indexer(neighbours["neighbour_id"])
    rank = neighbours["rank"].to_numpy(np.int64)
    similarity = _cosines(pairs, vectors)
    last = np.zeros(len(ids))
    np.maximum.at(last, query, 1 - neighbours["similarity"].to_numpy(np.float64))
    nearness = nearness_of(similarity, last[pairs[:, 0]], last[pairs[:, 1]])
    behind = int(rank.max(initial=0)) + 1
    listed = pd.Series(rank, query.astype(np.int64) * len(ids) + neighbour)
    ranks = [
        listed.reindex(pairs[:, side] * len(ids) + pairs[:, 1 - side], fill_value=behind).to_numpy() for side in (0, 1)
    ]
    return Standing(similarity, nearness, np.stack(ranks, axis=1))


def nearness_of(
    similarity: NDArray[np.floating[Any]], last: NDArray[np.float64] | float, other_last: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the nearness of pairs, (m,), by their cosines and by how far each image is from its last neighbour."""
    around = np.sqrt(last * other_last)
    return (1 - (1 - similarity.astype(np.float64)) / np.maximum(around, 1e-6)).clip(-1, 1)


def _cosines(pairs: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    cosines = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _CHUNK):
        first, second = pairs[start : start + _CHUNK].T
        cosines[start : start + _CHUNK] = np.vecdot(vectors[first], vectors[second])
    return cosines.clip(-1, 1)
