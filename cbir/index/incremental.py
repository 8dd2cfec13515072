"""Extends neighbour lists: keeps those of the last run, and searches only the images that are new.

The list of a known image changes in two ways only: a new image comes nearer than its last neighbour, or a neighbour is
gone, and then the image is searched again. So the cost grows with the number of new images times the archive, not with
the square of the archive; and the lists are those of a search from scratch, number for number.
"""

import hashlib
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from cbir.base.display import Progress, silent
from cbir.base.files import writing
from cbir.embedding.files import Embeddings
from cbir.index.nearest import ROUNDING, SPARE, candidates, nearest_of, similarities
from cbir.index.neighbours import Block

VERSION = 1  # raise it with any change of the code that decides a list
_QUERIES = 4096  # rows at a time

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Lists:
    """The lists of a run: keys (n,) of the rows' vectors, and for each row its neighbours' rows and cosines (n, k)."""

    keys: np.ndarray
    neighbours: np.ndarray
    similarity: np.ndarray


def extended(embeddings: Embeddings, *, k: int, memory: Path, progress: Progress = silent) -> Iterator[Block]:
    """Yields the min(k, n - 1) nearest other rows of every row, exactly, a few thousand rows at a time.

    Args:
        memory: folder in which the lists are kept for the next run; what is damaged there, or was made by other code,
            is not used.
    """
    vectors = embeddings.vectors
    count = min(k, len(vectors) - 1)
    if count == 0:
        return
    keys = _keys(embeddings)
    recipe = repr((VERSION, k, np.__version__, faiss.__version__))
    file = memory / f"{hashlib.sha256(recipe.encode()).hexdigest()[:32]}.npz"
    lists = _Lists(keys, np.empty((len(keys), count), np.int32), np.empty((len(keys), count), np.float32))
    todo, added = _take_over(lists, _read(file), vectors)
    kept = len(keys) - len(todo)
    log.info("neighbours searched for %d images; %d kept lists updated with %d new images", len(todo), kept, len(added))
    _search(lists, todo, vectors, progress)
    _write(file, lists)
    for start in range(0, len(keys), _QUERIES):
        rows = slice(start, start + _QUERIES)
        yield Block(np.arange(len(keys))[rows], lists.neighbours[rows], lists.similarity[rows])


def _keys(embeddings: Embeddings) -> np.ndarray:
    """Returns a key for each row, (n,) of 32 bytes: of the image_id and the very numbers of its vector."""
    rows = zip(embeddings.ids, np.ascontiguousarray(embeddings.vectors), strict=True)
    digests = [hashlib.blake2b(vector.data, digest_size=32, key=name.encode()[:64]).digest() for name, vector in rows]
    return np.frombuffer(b"".join(digests), "V32")


def _take_over(lists: _Lists, old: _Lists | None, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fills in what the old lists tell; returns the rows still to be searched, and the rows that are new."""
    everything = np.arange(len(lists.keys))
    if old is None:
        return everything, everything
    place = {key: row for row, key in enumerate(lists.keys.tolist())}
    now = np.array([place.get(key, -1) for key in old.keys.tolist()], np.int64)  # where each old row is; -1: gone
    kept = np.flatnonzero(now >= 0)
    added = np.setdiff1d(everything, now[kept])
    if 2 * len(added) > len(everything):
        return everything, added
    moved = now[old.neighbours[kept]]
    whole = (moved >= 0).all(axis=1)
    rows, moved, similarity = now[kept[whole]], moved[whole], old.similarity[kept[whole]]
    settled = _extend(lists, rows, moved, similarity, added, vectors)
    return np.setdiff1d(everything, rows[settled]), added


def _extend(
    lists: _Lists, rows: np.ndarray, moved: np.ndarray, similarity: np.ndarray, added: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    """Merges the new rows into old lists; returns which lists leave no doubt, (len(rows),) bool."""
    count = lists.neighbours.shape[1]
    width = min(len(added), count + SPARE)
    settled = np.ones(len(rows), bool)
    for start in range(0, len(rows), _QUERIES):
        block = slice(start, start + _QUERIES)
        near, cosine, doubt = moved[block], similarity[block], np.zeros(len(rows[block]), bool)
        if width:
            near_rows = faiss.knn(vectors[rows[block]], vectors[added], width, faiss.METRIC_INNER_PRODUCT)[1]
            new = similarities(rows[block], added[near_rows], vectors)
            near, cosine = np.hstack([near, added[near_rows]]), np.hstack([cosine, new])
            doubt = new.min(axis=1) + ROUNDING if width < len(added) else np.full(len(near), -np.inf)
        if near.shape[1] < count:
            settled[block] = False
            continue
        order = np.lexsort((near, -cosine), axis=1)[:, :count]
        near, cosine = np.take_along_axis(near, order, 1), np.take_along_axis(cosine, order, 1)
        lists.neighbours[rows[block]], lists.similarity[rows[block]] = near, cosine
        if width:
            settled[block] = cosine[:, -1] > doubt
    return settled


def _search(lists: _Lists, todo: np.ndarray, vectors: np.ndarray, progress: Progress) -> None:
    """Searches these rows among all."""
    count = lists.neighbours.shape[1]
    width = min(candidates("flat", count), len(vectors))

    def search(queries: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        return faiss.knn(queries, vectors, number, faiss.METRIC_INNER_PRODUCT)

    starts = range(0, len(todo), _QUERIES)
    for start in progress(starts, total=len(starts), desc="neighbours", unit="block"):
        block = nearest_of(todo[start : start + _QUERIES], vectors, count, width, search)
        lists.neighbours[block.queries], lists.similarity[block.queries] = block.neighbours, block.similarity


def _read(file: Path) -> _Lists | None:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as values:
            keys = values["keys"].view("V32").ravel()
            lists = _Lists(keys, values["neighbours"], values["similarity"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return lists if len(lists.keys) == len(lists.neighbours) == len(lists.similarity) else None


def _write(file: Path, lists: _Lists) -> None:
    with writing(file) as temporary, temporary.open("wb") as out:
        keys = lists.keys.view(np.uint8).reshape(-1, 32)
        np.savez(out, keys=keys, neighbours=lists.neighbours, similarity=lists.similarity)
