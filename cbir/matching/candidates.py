"""Proposes the pairs of images that are worth a closer look: near by embedding, by the votes of local features, or
implied by two likely pairs.

New images cost their own. Those of an accession vote for all that are there when it comes, so later ones change nothing
of what was voted before: votes are kept by the content of all images up to them, and the index that holds those is kept
as it is after the last.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from cbir.base.display import Progress, silent
from cbir.base.files import writing_folder
from cbir.matching.description import Described
from cbir.matching.local.cores import on_each_core
from cbir.matching.local.features import Features
from cbir.matching.local.voting import VERSION, LocalIndex
from cbir.matching.probability import LIKELY
from cbir.store import Store

_VOTING = 300  # features of an image that vote and are voted for; 500 take twice as long and find nothing more
_AT_ONCE = 2048  # images whose votes are stored together


def propose(
    described: Described,
    neighbours: pd.DataFrame,
    images: pd.DataFrame,
    *,
    near: int,
    votes: int,
    store: Path,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """Returns the pairs of each image and its ``near`` nearest by embedding, and those that its features vote for, or
    those of its mirror image: ``votes`` at most, either way.

    Args:
        described: features of the images, by position.
        images: image_id and accession, sorted by image_id.
        store: folder of the stores.

    Returns:
        As :func:`near_by_embedding`.
    """
    ids = images["image_id"].to_numpy(object)
    pairs = [near_by_embedding(neighbours, ids, most=near)]
    if votes:
        accessions = images["accession"].tolist()
        pairs.append(votes_of(described, described.keys, accessions, most=votes, store=store, progress=progress))
    return unordered(*np.concatenate(pairs).T)


def near_by_embedding(neighbours: pd.DataFrame, ids: NDArray[np.object_], *, most: int) -> NDArray[np.int64]:
    """Returns the pairs of each image and its ``most`` nearest: positions in ``ids`` (m, 2), the smaller first.

    Args:
        neighbours: query_id, rank (from 1), neighbour_id.
        ids: (n,) image_ids, sorted.
    """
    near = neighbours[neighbours["rank"] <= most]
    index = pd.Index(ids)
    return unordered(index.get_indexer(near["query_id"]), index.get_indexer(near["neighbour_id"]))


def votes_of(
    features: Sequence[Features],
    keys: Sequence[str],
    accessions: Sequence[str],
    *,
    most: int,
    store: Path,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """Returns the images that those of an archive vote for, each as it is, and again in the mirror.

    Args:
        features, keys: of the images, by position; a key holds all that decides an image's features.
        accessions: of the images; their order is that in which they came.
        most: images that an image proposes, either way.
        store: folder of the stores; votes are in its ``votes.sqlite``, and the index in ``votes``.
    """
    order = np.lexsort((np.asarray(keys, object), np.asarray(accessions, object)))
    names = np.asarray(accessions, object)[order]
    blocks = np.split(order, np.flatnonzero(names[1:] != names[:-1]) + 1)
    chain = list(accumulate((_digest([keys[at] for at in block]) for block in blocks), lambda a, b: _digest([a, b])))
    kept = Store(store / "votes.sqlite")
    wanted = [f"{link}/{most}/{start}" for link, start, _ in _steps(chain, blocks)]
    if missing := set(kept.missing(wanted)):
        first = next(at for at, link in enumerate(chain) if any(key.startswith(link) for key in missing))
        index, done = _resumed(store / "votes", chain[:first])
        for at in range(done, len(blocks)):
            index.add(features[image].first(_VOTING) for image in blocks[at])
            for link, start, step in _steps(chain[at : at + 1], blocks[at : at + 1]):
                if (key := f"{link}/{most}/{start}") in missing:
                    before = sum(map(len, blocks[:at])) + start
                    pairs = _vote(index, features, step, before, most=most, progress=progress)
                    kept.put_many([(key, pairs.tobytes())])
        with writing_folder(store / "votes") as folder:
            (folder / "after").write_text(chain[-1])
            index.write(folder)
    values = kept.get_many(wanted)
    return order[np.frombuffer(b"".join(values[key] for key in wanted), np.int64).reshape(-1, 2)]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([VERSION, str(_VOTING), *parts]).encode()).hexdigest()[:32]


def _steps(chain: Sequence[str], blocks: Sequence[NDArray[np.int64]]) -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    """Yields the link of each block, and where a step of it begins, with its images."""
    for link, block in zip(chain, blocks, strict=True):
        for start in range(0, len(block), _AT_ONCE):
            yield link, start, block[start : start + _AT_ONCE]


def _resumed(folder: Path, chain: Sequence[str]) -> tuple[LocalIndex, int]:
    """Returns the index that was kept, and the number of blocks in it; an empty one where it holds other images."""
    try:
        after = (folder / "after").read_text()
        if after in chain:
            return LocalIndex.read(folder), chain.index(after) + 1
    except (OSError, RuntimeError, ValueError):  # there is none, or it is damaged
        shutil.rmtree(folder, ignore_errors=True)
    return LocalIndex(), 0


def _vote(
    index: LocalIndex,
    features: Sequence[Features],
    images: NDArray[np.int64],
    before: int,
    *,
    most: int,
    progress: Progress,
) -> NDArray[np.int64]:
    """Returns pairs of positions in the index.

    Args:
        before: images in the index that come before the first of these.
    """

    def vote(step: int) -> list[int]:
        query = features[int(images[step])].first(_VOTING)
        sides = (query, query.mirrored)
        return [other for side in sides for other in index.candidates(side, most=most, but=before + step)]

    lists = progress(on_each_core(vote, range(len(images))), total=len(images), desc="propose", unit="image")
    pairs = [(before + step, other) for step, others in enumerate(lists) for other in others]
    return np.array(pairs, np.int64).reshape(-1, 2)


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
