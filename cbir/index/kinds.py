"""The kinds of FAISS index, from exact and slow to approximate and small, and the choice by an archive's size.

flat: exact. ivf: only the lists of vectors nearest to a query are searched (Johnson, Douze, Jégou, Billion-scale
similarity search with GPUs, 2017). ivfpq: those lists, and of each vector a code of at most 96 bytes (Jégou, Douze,
Schmid, Product quantization for nearest neighbor search, 2011). hnsw: a graph that is walked (Malkov, Yashunin,
Efficient and robust approximate nearest neighbor search, 2016); quick to search, slow to build.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import faiss
import numpy as np

from cbir.base.errors import UserError
from cbir.index.shards import fill, fill_on_disk

Kind = Literal["auto", "flat", "ivf", "ivfpq", "hnsw"]

# Sizes up to which ``auto`` takes a kind. Flat is exact, and the neighbours of all of 100,000 images (512 dimensions)
# take it 50 s on two cores; the time grows with the square of the size. Above the second, the vectors as they are no
# longer fit the memory of an ordinary machine twice.
FLAT_UP_TO = 200_000
IVF_UP_TO = 4_000_000

_PQ_CENTROIDS = 256  # of each sub-quantizer: a byte
_PQ_CODE_BYTES = (64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1)  # FAISS has GPU kernels for these
_PQ_PART = 4  # components that share a byte, at least
_TRAINED_ON = 39  # vectors a list at least, as FAISS recommends
_LINKS = 32  # of an image in the graph
_LINKS_FROM = 100  # candidates that these links are chosen from


def choose_kind(kind: str, *, count: int) -> str:
    """Returns the kind that ``kind`` means for so many images.

    Raises:
        UserError: there is no such kind.
    """
    if kind not in get_args(Kind):
        raise UserError(f"index.kind must be one of {', '.join(get_args(Kind))}, is {kind!r}")
    if kind != "auto":
        return kind
    if count <= FLAT_UP_TO:
        return "flat"
    return "ivf" if count <= IVF_UP_TO else "ivfpq"


def new_index(
    kind: str, vectors: np.ndarray, *, width: int, seed: int, shards: int = 1, on_disk: Path | None = None
) -> tuple[Any, dict[str, int]]:
    """Returns a FAISS index on the CPU, by inner product, trained on ``vectors`` (n, d) and holding them; and its
    parameters.

    Args:
        kind: flat, ivf, ivfpq or hnsw.
        width: how many candidates a search will ask for.
        seed: of the clustering (a graph always has the same); the same arguments give the same index, byte for byte.
        shards: of ``ivf`` and ``ivfpq``: parts that are filled one after the other and merged; the index is the same.
        on_disk: of ``ivf`` and ``ivfpq``: folder where the inverted lists lie in a file; None: in memory.

    Raises:
        UserError: fewer vectors than ``ivfpq`` needs.
    """
    match kind:
        case "flat":
            index, parameters = faiss.IndexFlatIP(vectors.shape[1]), dict[str, int]()
            index.add(vectors)
            return index, parameters
        case "hnsw":
            return _hnsw(vectors, width)
    index, parameters = (_ivf if kind == "ivf" else _ivfpq)(vectors, seed)
    if on_disk:
        fill_on_disk(index, vectors, on_disk, shards=shards)
    else:
        fill(index, vectors, shards=shards)
    return index, parameters


def _ivf(vectors: np.ndarray, seed: int) -> tuple[Any, dict[str, int]]:
    dimension, lists = vectors.shape[1], _lists(len(vectors))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimension), dimension, lists, faiss.METRIC_INNER_PRODUCT)
    _train(index, vectors, seed)
    return index, {"lists": lists, "probes": index.nprobe}


def _ivfpq(vectors: np.ndarray, seed: int) -> tuple[Any, dict[str, int]]:
    count, dimension = vectors.shape
    if count < _PQ_CENTROIDS:
        raise UserError(
            f"index.kind ivfpq needs at least {_PQ_CENTROIDS} images, there are {count}; choose auto or flat"
        )
    lists = _lists(count)
    size = next((size for size in _PQ_CODE_BYTES if dimension % size == 0 and dimension // size >= _PQ_PART), 1)
    coarse = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFPQ(coarse, dimension, lists, size, 8, faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.seed = seed
    index.pq.cp.min_points_per_centroid = 1  # fewer are worse, which the exact similarities make good; no warning
    _train(index, vectors, seed)
    return index, {"lists": lists, "probes": index.nprobe, "code_bytes": size}


def _lists(count: int) -> int:
    return max(1, min(round(4 * math.sqrt(count)), count // _TRAINED_ON))


def _train(index: Any, vectors: np.ndarray, seed: int) -> None:
    """Clusters the vectors into the index's lists, on the GPU where FAISS sees one, from the same sample and seed."""
    index.cp.seed = seed
    index.nprobe = min(index.nlist, max(16, index.nlist // 64))
    if faiss.get_num_gpus():
        assignment = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(index.d))
        index.clustering_index = assignment
    index.train(vectors)
    index.clustering_index = None


def _hnsw(vectors: np.ndarray, width: int) -> tuple[Any, dict[str, int]]:
    index = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _LINKS_FROM
    index.hnsw.efSearch = max(128, 2 * width)
    with _one_thread():  # several would link in the order in which they happen to come
        index.add(vectors)
    return index, {"links": _LINKS, "ef_construction": _LINKS_FROM, "ef_search": index.hnsw.efSearch}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
