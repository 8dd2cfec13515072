"""Ranks the neighbours of the queries: takes the index's lists, or exact ones where the index's do not serve."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.evaluation.retrieval.metrics import CUTOFFS
from cbir.evaluation.retrieval.relevance import Positions, RetrievalTask

log = logging.getLogger(__name__)

_BLOCK = 1 << 24  # similarities that are held at once: 64 MB
_LESS = 3  # moves cosines below any probability
_ENTRIES = 4_000_000  # of exact lists, all together, the most that sorting and resampling can bear


@dataclass(frozen=True)
class RankedLists:
    """Neighbours of each query, best first; a query is never its own neighbour.

    Attributes:
        queries: (Q,), positions in the task's ids, rising.
        neighbours: (Q, L), positions, -1 behind the end of a shorter list.
        similarities: (Q, L), the score of each pair, -inf behind the end: a cosine, or as :func:`by_probability` says.
    """

    queries: Positions
    neighbours: Positions
    similarities: NDArray[np.float64]

    def of(self, queries: Positions) -> "RankedLists":
        """Returns the lists of these queries, which all must be among them."""
        rows = np.searchsorted(self.queries, queries)
        return RankedLists(queries, self.neighbours[rows], self.similarities[rows])


def ranked_lists(
    task: RetrievalTask, queries: Positions, neighbours: pd.DataFrame, vectors: NDArray[np.float32] | None
) -> RankedLists:
    """Returns the lists that the evaluation of these queries needs.

    The index's lists serve where the whole archive is the gallery and they are long enough to hold the first 10 and all
    right images of any query; what they miss, the users miss. Else (a gallery of its own; classes larger than the
    lists) lists of that length are computed from the embeddings: cut-off lists would rank against images that are not
    in the gallery, and count right images as missed that nobody could have listed. Without embeddings the lists that
    there are have to serve, less what is not in the gallery.

    Args:
        neighbours: query_id, rank, neighbour_id, similarity.
        vectors: (n, d), L2-normalised, in the order of the task's ids; None for a system that has none.
    """
    if vectors is None:
        return listed(task, queries, _within_gallery(task, neighbours))
    searchable = max(len(task.gallery) - 1, 0)
    longest = int(task.relevant(queries).max(initial=0))
    needed = min(max(longest, *CUTOFFS), searchable)
    k = int(neighbours["rank"].max()) if len(neighbours) else 0
    if len(task.gallery) == len(task.ids) and k >= needed:
        return listed(task, queries, neighbours)
    depth = min(max(k, needed), searchable)
    if len(queries) * depth > _ENTRIES:
        cut = min(max(k, *CUTOFFS, _ENTRIES // len(queries)), searchable)
        log.warning(
            "right images beyond rank %d of %d count as missed: there are too many pairs to rank all", cut, depth
        )
        depth = cut
    return exact(task, queries, vectors, depth=depth)


def by_probability(task: RetrievalTask, near: RankedLists, matches: pd.DataFrame) -> RankedLists:
    """Returns the lists with all pairs that were looked at in front, ranked as they are there; their probability is the
    similarity.

    Behind them come the others in the order that they have; their similarity is the cosine less 3, which is no
    probability, below any threshold, and tells them (``is_looked_at``).

    Args:
        near: lists by cosine.
        matches: query_id, rank, neighbour_id, probability.
    """
    scored = _within_gallery(task, matches.assign(similarity=matches["probability"].astype(float)))
    first = listed(task, near.queries, scored)
    again = (near.neighbours[:, :, None] == first.neighbours[:, None, :]).any(axis=2)
    neighbours = np.concatenate([first.neighbours, np.where(again, -1, near.neighbours)], axis=1)
    behind = np.where(again, -np.inf, near.similarities - _LESS)
    similarities = np.concatenate([first.similarities, behind], axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")
    neighbours, similarities = (np.take_along_axis(table, order, axis=1) for table in (neighbours, similarities))
    length = int((neighbours >= 0).sum(axis=1).max(initial=0))
    return RankedLists(near.queries, neighbours[:, :length], similarities[:, :length])


def is_looked_at(similarity: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tells the scores that are probabilities, or cosines of lists that nobody looked at, from those of a pair that was
    no candidate.
    """
    return similarity >= -1


def _within_gallery(task: RetrievalTask, neighbours: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows whose neighbour is in the gallery, with their ranks among those."""
    kept = neighbours[neighbours["neighbour_id"].isin(task.ids[task.gallery])].sort_values(["query_id", "rank"])
    return kept.assign(rank=kept.groupby("query_id").cumcount() + 1)


def listed(task: RetrievalTask, queries: Positions, neighbours: pd.DataFrame) -> RankedLists:
    """Returns the lists of these queries, read from the table of neighbours; a query that is not in it has an empty
    one.
    """
    ids = pd.Index(task.ids)
    wanted = neighbours[neighbours["query_id"].isin(task.ids[queries])]
    row = np.searchsorted(queries, ids.get_indexer(wanted["query_id"].astype(object)))
    column = wanted["rank"].to_numpy() - 1
    length = int(column.max()) + 1 if len(wanted) else 0
    positions = np.full((len(queries), length), -1, dtype=np.int64)
    similarities = np.full((len(queries), length), -np.inf)
    positions[row, column] = ids.get_indexer(wanted["neighbour_id"].astype(object))
    similarities[row, column] = wanted["similarity"].to_numpy()
    return RankedLists(queries, positions, similarities)


def exact(task: RetrievalTask, queries: Positions, vectors: NDArray[np.float32], *, depth: int) -> RankedLists:
    """Returns the ``depth`` most similar images of the gallery, by brute force in blocks; equal ones in the order of
    ids.
    """
    nearest = np.full((len(queries), depth), -1, dtype=np.int64)
    similarities = np.full((len(queries), depth), -np.inf)
    if depth == 0:
        return RankedLists(queries, nearest, similarities)
    gallery = vectors[task.gallery]
    rows = max(1, _BLOCK // len(gallery))
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows]
        cosine = vectors[block] @ gallery.T
        cosine[task.gallery[None, :] == block[:, None]] = -np.inf
        order = _largest(cosine, depth)
        nearest[start : start + rows] = task.gallery[order]
        similarities[start : start + rows] = np.take_along_axis(cosine, order, axis=1)
    return RankedLists(queries, nearest, similarities)


def _largest(values: NDArray[np.float32], count: int) -> Positions:
    """Columns of the largest values of each row, falling."""
    part = np.argpartition(-values, count - 1, axis=1)[:, :count]
    part.sort(axis=1)
    order = np.argsort(-np.take_along_axis(values, part, axis=1), axis=1, kind="stable")
    return np.take_along_axis(part, order, axis=1)
