"""The FAISS index over an archive's embeddings, and the search for the nearest neighbours of every image."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.base.files import write_parquet, writing_folder
from cbir.embedding.files import Embeddings
from cbir.index.incremental import extended
from cbir.index.kinds import Kind, choose_kind, new_index
from cbir.index.nearest import MOST_CANDIDATES, Search, candidates, nearest_of
from cbir.index.neighbours import Block, write_blocks
from cbir.index.rules import require_lists
from cbir.index.shards import read

_QUERIES = 4096  # rows searched at a time

log = logging.getLogger(__name__)


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


def build_index(
    embeddings: Embeddings,
    *,
    kind: Kind = "auto",
    k: int = 30,
    seed: int = 0,
    shards: int = 1,
    on_disk: Path | None = None,
) -> Index:
    """Trains an index and fill it: the same embeddings, kind, k and seed give the same index, byte for byte.

    Args:
        kind: see :mod:`cbir.index.kinds`.
        k: how many neighbours searches will ask for.
        shards: of inverted lists: parts that are filled one after the other and merged.
        on_disk: of inverted lists: folder where they lie in a file; None: in memory.

    Raises:
        UserError: an unknown kind, k or shards below 1, fewer images than the kind needs, or no inverted lists to
            have on disk.
    """
    if k < 1:
        raise UserError(f"index.k must be at least 1, is {k}")
    if shards < 1:
        raise UserError(f"index.shards must be at least 1, is {shards}")
    require_lists(kind, on_disk=bool(on_disk))
    chosen = choose_kind(kind, count=len(embeddings.vectors))
    index, parameters = new_index(
        chosen, embeddings.vectors, width=candidates(chosen, k), seed=seed, shards=shards, on_disk=on_disk
    )
    return Index(index, embeddings.ids, chosen, embeddings.encoder_digest, parameters)


def write_index(
    folder: Path, embeddings: Embeddings, *, kind: Kind, k: int, seed: int, shards: int, on_disk: bool
) -> Index:
    """Builds an index as :func:`build_index` does and write it as :func:`save_index` does; its lists may stay on disk.

    Lists on disk are the file ``lists.ivfdata`` in the folder, which can be moved as a whole.
    """
    with writing_folder(folder) as temporary:
        lists = temporary if on_disk else None
        index = build_index(embeddings, kind=kind, k=k, seed=seed, shards=shards, on_disk=lists)
        _save(index, temporary)
    return index


def save_index(index: Index, folder: Path) -> None:
    """Writes ``faiss.index``, ``ids.parquet`` (row i names row i of the index) and ``index.json``, all or none."""
    with writing_folder(folder) as temporary:
        _save(index, temporary)


def _save(index: Index, folder: Path) -> None:
    facts = {
        "kind": index.kind,
        "metric": "cosine",
        "count": len(index.ids),
        "dimension": index.faiss.d,
        "encoder_digest": index.encoder_digest,
        "parameters": index.parameters,
    }
    faiss.write_index(index.faiss, str(folder / "faiss.index"))
    write_parquet(folder / "ids.parquet", pa.table({"image_id": pa.array(index.ids, pa.string())}))
    (folder / "index.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load_index(folder: Path) -> Index:
    """Returns the index that :func:`save_index` wrote.

    Raises:
        UserError: the folder holds none.
    """
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        ids = pq.read_table(folder / "ids.parquet")["image_id"].to_numpy()
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no index; `cbir run` makes it (stage index)") from error
    return Index(read(folder / "faiss.index"), ids, facts["kind"], facts["encoder_digest"], facts["parameters"])


def write_neighbours(
    path: Path,
    index: Index,
    embeddings: Embeddings,
    *,
    k: int = 30,
    memory: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Writes the k nearest neighbours of every image: query_id, rank (from 1), neighbour_id, similarity (cosine).

    Rows are sorted by query_id and rank. An image is never its own neighbour; where there are at most k other images,
    all of them are listed. The index only proposes: similarities are computed again from the vectors, so they are true
    cosines for every kind, the same in both directions, and equal ones are ranked by neighbour_id. So duplicates,
    however many, do not push the wrong image out. Blocks are written as they are found: the table is never in memory.

    Args:
        memory: folder of the lists of earlier runs; with a flat index, which is exact, they are extended by what is
            new. The table is the same with and without.
    """
    if memory is not None and index.kind == "flat":
        blocks = extended(embeddings, k=k, memory=memory, progress=progress)
    else:
        blocks = nearest(index, embeddings.vectors, k=k, progress=progress)
    write_blocks(path, blocks, embeddings.ids)


def nearest(index: Index, vectors: np.ndarray, *, k: int, progress: Progress = silent) -> Iterator[Block]:
    """Yields the min(k, n - 1) nearest other rows of every row of ``vectors`` (n, d), which the index was built of."""
    count = len(vectors)
    k = min(k, count - 1)
    if k == 0:
        return
    width = min(candidates(index.kind, k), count)
    search = _fastest(index, width)
    for start in progress(range(0, count, _QUERIES), total=-(-count // _QUERIES), desc="neighbours", unit="block"):
        queries = np.arange(start, min(start + _QUERIES, count))
        yield nearest_of(queries, vectors, k, width, search)


def _fastest(index: Index, width: int) -> Search:
    """Returns the index's search, by a copy on the GPU where FAISS sees one that can hold it."""
    if faiss.get_num_gpus() and index.kind != "hnsw" and width <= MOST_CANDIDATES:
        try:
            return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index.faiss).search
        except RuntimeError as error:
            log.warning("the processor searches, for the GPU cannot hold the index: %s", str(error).splitlines()[0])
    return index.faiss.search
