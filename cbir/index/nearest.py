"""Ranks candidate rows: an index proposes them, their similarities are computed exactly, and ties have one order."""

from collections.abc import Callable

import faiss
import numpy as np

from cbir.index.neighbours import Block

MOST_CANDIDATES = 2048  # compared exactly with one image; also the most that FAISS gives on a GPU
SPARE = 8  # candidates beyond those asked for, so that exact similarities can put right what rounding swapped
_SPARE_CODES = 4  # factor of the candidates where FAISS ranks by codes of the vectors
ROUNDING = 2e-6  # float32 similarities nearer to each other than this may be equal
_GATHERED = 1 << 24  # floats of candidates in memory at a time

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def candidates(kind: str, k: int) -> int:
    """Returns how many rows to ask an index for so that the k nearest other images are among them."""
    return (_SPARE_CODES * k if kind == "ivfpq" else k) + 1 + SPARE


def nearest_of(queries: np.ndarray, vectors: np.ndarray, k: int, width: int, search: Search) -> Block:
    """Returns the nearest of these rows; where the index's candidates leave a doubt, all vectors are compared."""
    most = min(len(vectors), max(MOST_CANDIDATES, width))
    rows = search(vectors[queries], width)[1]
    best, similarity, settled = rank(queries, rows, vectors, k)
    while not settled.all():
        again = np.flatnonzero(~settled)
        width = min(4 * width, most)
        rows = faiss.knn(vectors[queries[again]], vectors, width, faiss.METRIC_INNER_PRODUCT)[1]
        best[again], similarity[again], settled[again] = rank(queries[again], rows, vectors, k)
        settled |= width == most
    return Block(queries, best, similarity)


def rank(
    queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the k nearest of each query's candidate rows (q, w), their exact similarities, and whether these leave no
    doubt.

    FAISS may keep any of equally similar rows, and may have dropped the query itself: both show in the k-th being as
    similar as the last candidate. An approximate index may also find too few.
    """
    similarity = similarities(queries, rows, vectors)
    similarity[(rows < 0) | (rows == queries[:, None])] = -np.inf
    order = np.lexsort((rows, -similarity), axis=1)
    last = np.where(np.isneginf(similarity), np.inf, similarity).min(axis=1)
    rows, similarity = np.take_along_axis(rows, order[:, :k], 1), np.take_along_axis(similarity, order[:, :k], 1)
    settled = np.isfinite(similarity[:, -1])
    if order.shape[1] < len(vectors):
        settled &= similarity[:, -1] > last + ROUNDING
    return rows, similarity, settled


def similarities(queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Computes the cosines of each query row with its candidate rows (q, w), each by itself, so equal vectors give
    equal numbers.
    """
    similarity = np.empty(rows.shape, np.float32)
    step = max(1, _GATHERED // (rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        block = slice(start, start + step)
        similarity[block] = np.vecdot(vectors[rows[block]], vectors[queries[block], None])
    return similarity.clip(-1, 1)
