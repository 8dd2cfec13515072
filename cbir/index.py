"""The FAISS index over an archive's embeddings, and the nearest neighbours of every image."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.embedding import Embeddings
from cbir.errors import UserError
from cbir.files import write_parquet, writing, writing_folder
from cbir.indexkinds import Kind, choose_kind, new_index
from cbir.progress import Progress, silent

MOST_CANDIDATES = 2048  # compared exactly with one image; also the most that FAISS gives on a GPU
_SPARE = 8  # candidates beyond those asked for, so that exact similarities can put right what rounding swapped
_SPARE_CODES = 4  # times as many where FAISS ranks by codes of the vectors
_ROUNDING = 2e-6  # float32 similarities nearer to each other than this may be equal
_QUERIES = 4096  # rows searched at a time
_GATHERED = 1 << 24  # floats of candidates in memory at a time

NEIGHBOURS = pa.schema(
    [("query_id", pa.string()), ("rank", pa.int32()), ("neighbour_id", pa.string()), ("similarity", pa.float32())]
)

log = logging.getLogger(__name__)

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Index:
    """A FAISS index whose row i is the image ``ids[i]``.

    Attributes:
        faiss: the FAISS index, on the CPU, by inner product.
        ids: (n,) array of image_id, sorted.
        kind: flat, ivf, ivfpq or hnsw.
        encoder_digest: of the encoder that made the vectors.
        parameters: of the kind, as they were used.
    """

    faiss: Any
    ids: np.ndarray
    kind: str
    encoder_digest: str
    parameters: dict[str, int]


def build_index(embeddings: Embeddings, *, kind: Kind = "auto", k: int = 30, seed: int = 0) -> Index:
    """Train an index and fill it: the same embeddings, kind, k and seed give the same index, byte for byte.

    Args:
        kind: see :mod:`cbir.indexkinds`.
        k: how many neighbours searches will ask for.

    Raises:
        UserError: an unknown kind, a k below 1, or fewer images than the kind needs.
    """
    if k < 1:
        raise UserError(f"index.k must be at least 1, is {k}")
    chosen = choose_kind(kind, count=len(embeddings.vectors))
    index, parameters = new_index(chosen, embeddings.vectors, width=candidates(chosen, k), seed=seed)
    return Index(index, embeddings.ids, chosen, embeddings.encoder_digest, parameters)


def save_index(index: Index, folder: Path) -> None:
    """Write ``faiss.index``, ``ids.parquet`` (row i names row i of the index) and ``index.json``, all or none."""
    facts = {
        "kind": index.kind,
        "metric": "cosine",
        "count": len(index.ids),
        "dimension": index.faiss.d,
        "encoder_digest": index.encoder_digest,
        "parameters": index.parameters,
    }
    with writing_folder(folder) as temporary:
        faiss.write_index(index.faiss, str(temporary / "faiss.index"))
        write_parquet(temporary / "ids.parquet", pa.table({"image_id": pa.array(index.ids, pa.string())}))
        (temporary / "index.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load_index(folder: Path) -> Index:
    """The index that :func:`save_index` wrote.

    Raises:
        UserError: the folder holds none.
    """
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        ids = pq.read_table(folder / "ids.parquet")["image_id"].to_numpy()
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no index: run the stage index first") from error
    index = faiss.read_index(str(folder / "faiss.index"))
    return Index(index, ids, facts["kind"], facts["encoder_digest"], facts["parameters"])


def write_neighbours(
    path: Path, index: Index, embeddings: Embeddings, *, k: int = 30, progress: Progress = silent
) -> None:
    """Write the k nearest neighbours of every image: query_id, rank (from 1), neighbour_id, similarity (cosine).

    Rows are sorted by query_id and rank. An image is never its own neighbour; where there are at most k other images,
    all of them are listed. The index only proposes: similarities are computed again from the vectors, so they are true
    cosines for every kind, the same in both directions, and equal ones are ranked by neighbour_id. So duplicates,
    however many, do not push the wrong image out. Blocks are written as they are found: the table is never in memory.
    """
    ids = pa.array(embeddings.ids, pa.string())
    with writing(path) as temporary, pq.ParquetWriter(temporary, NEIGHBOURS, compression="zstd") as writer:
        for block in nearest(index, embeddings.vectors, k=k, progress=progress):
            writer.write_table(_table(block, ids))


def read_neighbours(path: Path) -> pd.DataFrame:
    """Columns query_id, rank (from 1), neighbour_id, similarity, sorted by query_id and rank.

    Raises:
        UserError: there are none.
    """
    if not path.is_file():
        raise UserError(f"{path}, the neighbours, is not there: run the stage index first")
    return pq.read_table(path).to_pandas()


@dataclass(frozen=True)
class Block:
    """The nearest neighbours of some images.

    Attributes:
        queries: (q,) rows of the images.
        neighbours: (q, k) rows of their neighbours, nearest first.
        similarity: (q, k) float32 cosines.
    """

    queries: np.ndarray
    neighbours: np.ndarray
    similarity: np.ndarray


def nearest(index: Index, vectors: np.ndarray, *, k: int, progress: Progress = silent) -> Iterator[Block]:
    """The min(k, n - 1) nearest other rows of every row of ``vectors`` (n, d), which the index was built of."""
    count = len(vectors)
    k = min(k, count - 1)
    if k == 0:
        return
    width = min(candidates(index.kind, k), count)
    search = _fastest(index, width)
    for start in progress(range(0, count, _QUERIES), total=-(-count // _QUERIES), desc="neighbours", unit="block"):
        queries = np.arange(start, min(start + _QUERIES, count))
        yield _nearest_of(queries, vectors, k, width, search)


def candidates(kind: str, k: int) -> int:
    """How many rows to ask an index for so that the k nearest other images are among them."""
    return (_SPARE_CODES * k if kind == "ivfpq" else k) + 1 + _SPARE


def _nearest_of(queries: np.ndarray, vectors: np.ndarray, k: int, width: int, search: Search) -> Block:
    """The nearest of these rows; where the index's candidates leave a doubt, all vectors are compared."""
    most = min(len(vectors), max(MOST_CANDIDATES, width))
    rows = search(vectors[queries], width)[1]
    best, similarity, settled = _rank(queries, rows, vectors, k)
    while not settled.all():
        again = np.flatnonzero(~settled)
        width = min(4 * width, most)
        rows = faiss.knn(vectors[queries[again]], vectors, width, faiss.METRIC_INNER_PRODUCT)[1]
        best[again], similarity[again], settled[again] = _rank(queries[again], rows, vectors, k)
        settled |= width == most
    return Block(queries, best, similarity)


def _rank(
    queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k nearest of each query's candidate rows (q, w), their exact similarities, and whether these leave no doubt.

    Of equal similarities FAISS may have kept any, and the query itself may be among those that it dropped: both show in
    the k-th being as similar as the last candidate. An approximate index may also find too few.
    """
    similarity = _similarity(queries, rows, vectors)
    similarity[(rows < 0) | (rows == queries[:, None])] = -np.inf
    order = np.lexsort((rows, -similarity), axis=1)
    last = np.where(np.isneginf(similarity), np.inf, similarity).min(axis=1)
    rows, similarity = np.take_along_axis(rows, order[:, :k], 1), np.take_along_axis(similarity, order[:, :k], 1)
    settled = np.isfinite(similarity[:, -1])
    if order.shape[1] < len(vectors):
        settled &= similarity[:, -1] > last + _ROUNDING
    return rows, similarity, settled


def _similarity(queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Cosines of each query row with its candidate rows (q, w); each by itself, so equal vectors give equal numbers."""
    similarity = np.empty(rows.shape, np.float32)
    step = max(1, _GATHERED // (rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        some = slice(start, start + step)
        similarity[some] = np.vecdot(vectors[rows[some]], vectors[queries[some], None])
    return similarity.clip(-1, 1)


def _table(block: Block, ids: pa.Array) -> pa.Table:
    rows, k = block.neighbours.shape
    columns = [
        ids.take(pa.array(np.repeat(block.queries, k))),
        pa.array(np.tile(np.arange(1, k + 1, dtype=np.int32), rows)),
        ids.take(pa.array(block.neighbours.ravel())),
        pa.array(block.similarity.ravel()),
    ]
    return pa.table(columns, schema=NEIGHBOURS)


def _fastest(index: Index, width: int) -> Search:
    """The index's search, by a copy on the GPU where FAISS sees one that can hold it."""
    if faiss.get_num_gpus() and index.kind != "hnsw" and width <= MOST_CANDIDATES:
        try:
            return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index.faiss).search
        except RuntimeError as error:
            log.warning("the processor searches, for the GPU cannot hold the index: %s", str(error).splitlines()[0])
    return index.faiss.search
