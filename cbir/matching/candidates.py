"""Proposes the pairs of images that are worth a closer look: near by embedding, by the votes of local features, or
implied by two likely pairs.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from cbir.matching.description import Described
from cbir.matching.local.cores import on_each_core
from cbir.matching.local.voting import LocalIndex, build_index
from cbir.progress import Progress, silent

LIKELY = 0.5  # probability of a pair that implies others
_VOTING = 300  # features of an image that vote and are voted for; 500 take twice as long and find nothing more


def propose(
    described: Described,
    neighbours: pd.DataFrame,
    ids: NDArray[np.object_],
    *,
    near: int,
    votes: int,
    seed: int,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """Returns the pairs that :func:`near_by_embedding` or :func:`near_by_votes` propose, as they do.

    Args:
        described: features of the images, by position in ``ids``.
        near, votes: candidates of an image of either kind.
    """
    by_votes = near_by_votes(described, most=votes, seed=seed, progress=progress)
    return unordered(*np.concatenate([near_by_embedding(neighbours, ids, most=near), by_votes]).T)


def near_by_embedding(neighbours: pd.DataFrame, ids: NDArray[np.object_], *, most: int) -> NDArray[np.int64]:
    """Returns the pairs of each image and its ``most`` nearest: positions in ``ids`` (m, 2), the smaller first.

    Args:
        neighbours: query_id, rank (from 1), neighbour_id.
        ids: (n,) image_ids, sorted.
    """
    near = neighbours[neighbours["rank"] <= most]
    index = pd.Index(ids)
    return unordered(index.get_indexer(near["query_id"]), index.get_indexer(near["neighbour_id"]))


def near_by_votes(described: Described, *, most: int, seed: int, progress: Progress = silent) -> NDArray[np.int64]:
    """Returns the pairs of each image and those that its features vote for, or those of its mirror image.

    Args:
        most: images that the features of an image propose as it is, and again in the mirror.
        seed: of the index's clustering.

    Returns:
        As :func:`near_by_embedding`.
    """
    if not most or len(described) < 2:
        return np.zeros((0, 2), np.int64)
    index = build_index(described, most=_VOTING, seed=seed)

    def vote(at: int) -> list[int]:
        return _both_ways(index, described, at, most=most)

    lists = progress(on_each_core(vote, range(len(described))), total=len(described), desc="propose", unit="image")
    pairs = [(at, other) for at, others in enumerate(lists) for other in others]
    return unordered(*np.array(pairs, np.int64).reshape(-1, 2).T)


def _both_ways(index: LocalIndex, described: Described, at: int, *, most: int) -> list[int]:
    query = described[at].first(_VOTING)
    return [other for side in (query, query.mirrored) for other in index.candidates(side, most=most, but=at)]


def implied(pairs: NDArray[np.int64], probability: NDArray[np.float32], *, most: int) -> NDArray[np.int64]:
    """Returns the pairs that were not looked at though both of their images have a likely pair with the same third one.

    Args:
        pairs: (m, 2) positions of the pairs that were looked at, the smaller first.
        probability: (m,) of those.
        most: pairs of an image, those that its likely pairs speak for most.

    Returns:
        As :func:`near_by_embedding`.
    """
    likely = pairs[probability >= LIKELY]
    if not most or not len(likely):
        return np.zeros((0, 2), np.int64)
    count = int(pairs.max()) + 1
    ends = np.concatenate([likely, likely[:, ::-1]]).T
    links = coo_array((np.tile(probability[probability >= LIKELY], 2), (ends[0], ends[1])), shape=(count, count))
    paths = (links.tocsr() @ links.tocsr()).tocoo()
    first, second = (side.astype(np.int64) for side in paths.coords)
    seen = np.isin(np.minimum(first, second) * count + np.maximum(first, second), pairs @ np.array([count, 1]))
    new = (first != second) & ~seen
    first, second, weight = first[new], second[new], paths.data[new].round(6)
    order = np.lexsort((second, -weight, first))
    ranks = pd.Series(first[order]).groupby(first[order]).cumcount().to_numpy()
    return unordered(first[order][ranks < most], second[order][ranks < most])


def unordered(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns each pair once, the smaller position first, sorted: (m, 2)."""
    pairs = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
    return np.unique(pairs.astype(np.int64), axis=0)
