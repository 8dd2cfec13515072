"""Fills a trained FAISS index shard by shard, in memory or, beyond it, with inverted lists in a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from faiss.contrib.ondisk import merge_ondisk

LISTS = "lists.ivfdata"  # the file of inverted lists, beside their index


def fill(index: Any, vectors: np.ndarray, *, shards: int = 1) -> None:
    """Adds vectors (n, d) to a trained index of inverted lists, whose rows are then the same as if added at once."""
    if shards == 1:
        index.add(vectors)
        return
    for shard in _filled(index, vectors, shards):
        index.merge_from(shard, 0)


def fill_on_disk(index: Any, vectors: np.ndarray, folder: Path, *, shards: int = 1) -> None:
    """Adds vectors (n, d) as :func:`fill` does, with the lists in ``folder`` as ``LISTS``; memory holds one shard.

    The index remembers the name of the file without the folder: see :func:`read`.
    """
    files = []
    for number, shard in enumerate(_filled(index, vectors, shards)):
        files.append(folder / f"shard-{number:05d}.index")
        faiss.write_index(shard, str(files[-1]))
        del shard
    merge_ondisk(index, [str(file) for file in files], str(folder / LISTS))
    for file in files:
        file.unlink()
    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    lists.filename = LISTS


def read(file: Path) -> Any:
    """Returns a FAISS index from a file; lists on disk are looked for beside it, wherever that is, and only read."""
    return faiss.read_index(str(file), faiss.IO_FLAG_ONDISK_SAME_DIR | faiss.IO_FLAG_READ_ONLY)


def _filled(index: Any, vectors: np.ndarray, shards: int) -> Iterator[Any]:
    """Copies of a trained and empty index, one after the other, each with its part of the vectors.

    Rows get their numbers here: FAISS 1.15.1, told to number them on, does so wrongly where the last shard is smaller.
    See docs/upstream.md, FAISS: shift_ids.
    """
    empty = faiss.clone_index(index)
    for start in range(0, len(vectors), step := -(-len(vectors) // shards)):
        shard = faiss.clone_index(empty)
        part = vectors[start : start + step]
        shard.add_with_ids(part, np.arange(start, start + len(part)))
        yield shard
