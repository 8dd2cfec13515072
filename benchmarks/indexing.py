"""The 10 nearest neighbours among 100,000 vectors of 512 dimensions, against numpy: matrix product and argpartition."""

import time
from itertools import islice

import numpy as np

from benchmarks.figures import Figure, in_turn
from cbir.embedding.files import Embeddings
from cbir.index.faiss_index import build_index, nearest

COUNT, DIMENSION, K = 100_000, 512, 10
ROWS = 1024  # that numpy compares at a time: 400 MB of similarities


def run() -> list[Figure]:
    """Measures how many times faster the neighbours of a block of images (4096) are computed among all, with exact
    results.
    """
    embeddings = _embeddings()
    started = time.perf_counter()
    index = build_index(embeddings, k=K)
    building = time.perf_counter() - started
    vectors = embeddings.vectors
    block = next(nearest(index, vectors, k=K))
    queries = len(block.queries)
    expected = _by_numpy(vectors, queries)
    agreement = float(np.mean(np.sort(block.neighbours, axis=1) == np.sort(expected, axis=1)))
    seconds = in_turn(
        {
            "index": lambda: list(islice(nearest(index, vectors, k=K), 1)),
            "numpy": lambda: _by_numpy(vectors, queries),
        },
        rounds=3,
    )
    rate = {name: queries / value for name, value in seconds.items()}
    detail = (
        f"{index.kind}, built in {building:.2f} s; {rate['index']:.0f} against {rate['numpy']:.0f} images/s, "
        f"so all in {COUNT / rate['index']:.0f} s; the same neighbours for {agreement:.2%}"
    )
    return [
        Figure(
            "10 nearest neighbours in 100,000 × 512",
            seconds["numpy"] / seconds["index"],
            "×",
            "numpy's matrix product and argpartition",
            detail=detail,
        )
    ]


def _embeddings() -> Embeddings:
    """Groups of four near-duplicates."""
    chance = np.random.default_rng(0)
    vectors = np.repeat(chance.standard_normal((COUNT // 4, DIMENSION), np.float32), 4, axis=0)
    vectors += 0.3 * chance.standard_normal(vectors.shape, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(np.array([f"{row:032x}" for row in range(COUNT)], object), vectors, "benchmark")


def _by_numpy(vectors: np.ndarray, queries: int) -> np.ndarray:
    """Returns the rows of the K nearest others of the first ``queries`` rows, nearest first: (queries, K)."""
    nearest = []
    for start in range(0, queries, ROWS):
        end = min(start + ROWS, queries)
        similarity = vectors[start:end] @ vectors.T
        similarity[np.arange(end - start), np.arange(start, end)] = -1
        best = np.argpartition(similarity, -K, axis=1)[:, -K:]
        order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1)
        nearest.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(nearest)
