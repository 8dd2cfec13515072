"""Groups near-duplicates by average linkage over the neighbour graph, cut at a similarity threshold.

A chain of weak links must not join what does not belong together, so two clusters are joined only while the *mean*
similarity over all pairs between them reaches the threshold (UPGMA: Sokal & Michener, 1958). For vectors of length one
that mean is a product of sums,

    mean of a·b over a in A, b in B  =  (sum of A · sum of B) / (|A| |B|),

so it is exact whatever the clusters' sizes, and no matrix of all pairs is ever made. Two clusters whose mean reaches
the threshold hold at least one pair that does, and that pair is in the neighbour lists; so only clusters that are
linked there need to be compared. (A pair can be missing from the lists of two images that both have k nearer
neighbours; those are linked through these.)
"""

import heapq
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cbir.archive.manifest import in_order, unique_images
from cbir.progress import Progress, silent

if TYPE_CHECKING:
    from cbir.embedding.files import Embeddings

log = logging.getLogger(__name__)

LARGEST = 20_000  # images clustered at once: the sums take 80 MB at 512 dimensions
_STEP = 0.1  # of what is left between the edge threshold and 1, to break a component that is larger
_FINEST = 1e-4  # what still hangs together this near to 1 is one picture many times
_SLACK = 1e-4  # an index may store similarities in float16 or by another sum; candidates are computed again, exactly
_DECIMALS = 9  # beyond them, equal similarities differ by the order of summation
_CHUNK = 8192  # pairs whose vectors are in memory at once


def group_images(
    manifest: pd.DataFrame,
    neighbours: pd.DataFrame,
    embeddings: "Embeddings",
    *,
    threshold: float,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Returns the groups of an archive: near-duplicates by their embeddings, and pictures that are there as exact
    copies only.

    Args:
        manifest: as ``cbir.archive.manifest.read_manifest`` gives it.
        neighbours: query_id, neighbour_id, similarity (cosine), in any order, a pair in one direction or both.
        embeddings: ids and L2-normalised vectors (n, d).
        threshold: cosine that the mean between two clusters must reach for them to be one.

    Returns:
        One row an image of a group, sorted by group_id and image_id. group_id: the image_id of the group's first member
        by accession, path and page, which stays when later accessions add members. representative: true for the best
        copy, the one with the most pixels, and of those the first by accession, path and page. similarity: mean cosine
        to the other members. evidence: ``embedding``, or ``exact copy`` for an image in several files without any other
        relative, whose similarity is 1.
    """
    clusters = find_clusters(neighbours, embeddings, threshold=threshold, progress=progress)
    related = pd.DataFrame(
        {
            "image_id": np.concatenate([embeddings.ids[:0], *(embeddings.ids[cluster] for cluster in clusters)]),
            "cluster": np.repeat(np.arange(len(clusters)), [len(cluster) for cluster in clusters]),
            "similarity": np.concatenate(
                [np.empty(0), *(_to_the_others(embeddings.vectors[cluster_rows]) for cluster_rows in clusters)]
            ),
            "evidence": "embedding",
        }
    )
    copies = manifest.loc[manifest["status"] == "ok", "image_id"].value_counts(sort=False)
    copied = np.setdiff1d(copies.index[copies > 1].to_numpy(object), related["image_id"].to_numpy(object))
    numbers = len(clusters) + np.arange(len(copied))
    alone = pd.DataFrame({"image_id": copied, "cluster": numbers, "similarity": 1.0, "evidence": "exact copy"})
    return _name(pd.concat([part for part in (related, alone) if len(part)] or [related]), unique_images(manifest))


def _name(clusters: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Gives each cluster its group_id and its representative."""
    facts = ["image_id", "width", "height", "accession", "path", "page"]
    table = in_order(clusters.merge(images[facts], on="image_id", validate="one_to_one"))
    table = table.sort_values("cluster", kind="stable", ignore_index=True)
    table["group_id"] = table.groupby("cluster")["image_id"].transform("first")
    pixels = table["width"].astype("int64") * table["height"].astype("int64")
    best = pixels.groupby(table["cluster"]).idxmax()  # the first of the largest
    table["representative"] = table.index.isin(best)
    columns = ["group_id", "image_id", "representative", "similarity", "evidence"]
    return table.sort_values(["group_id", "image_id"], ignore_index=True)[columns]


def find_clusters(
    neighbours: pd.DataFrame,
    embeddings: "Embeddings",
    *,
    threshold: float,
    largest: int = LARGEST,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """Finds average-linkage clusters of two images and more, as sorted positions in ``embeddings``.

    A connected component of more than ``largest`` images (a sign that the threshold is too low for this encoder) is
    first broken: the edge threshold rises in it, a tenth of what is left to 1 at a time, until its pieces are small
    enough. Its images are then compared within the pieces only; what is not broken at 0.9999 is one cluster. So the
    sums take at most ``largest`` × d × 8 bytes.
    """
    pairs, similarities = candidate_pairs(neighbours, embeddings, threshold=threshold)
    clusters: list[np.ndarray] = []
    pieces = list(_pieces(pairs, similarities, threshold=threshold, largest=largest))
    for members, inside in progress(pieces, total=len(pieces), desc="group", unit="component"):
        if len(members) > largest:  # at _FINEST: one picture many times
            clusters.append(members)
            continue
        local = np.searchsorted(members, inside)
        parts = average_linkage(embeddings.vectors[members], local, threshold=threshold)
        clusters.extend(members[part] for part in parts if len(part) > 1)
    return sorted(clusters, key=lambda cluster: int(cluster[0]))


def candidate_pairs(
    neighbours: pd.DataFrame, embeddings: "Embeddings", *, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns listed pairs whose cosine reaches the threshold: positions (m, 2), the smaller first, and cosines
    (m,).
    """
    near = neighbours[neighbours["similarity"] >= threshold - _SLACK]
    ids = pd.Index(embeddings.ids)
    first, second = ids.get_indexer(near["query_id"]), ids.get_indexer(near["neighbour_id"])
    count = max(len(ids), 1)
    keys = np.unique(np.minimum(first, second).astype(np.int64) * count + np.maximum(first, second))
    pairs = np.stack([keys // count, keys % count], axis=1)
    similarities = np.empty(len(pairs))
    for start in range(0, len(pairs), _CHUNK):
        left, right = (embeddings.vectors[pairs[start : start + _CHUNK, side]].astype(np.float64) for side in (0, 1))
        similarities[start : start + _CHUNK] = np.einsum("ij,ij->i", left, right)
    similarities = similarities.round(_DECIMALS)
    return pairs[similarities >= threshold], similarities[similarities >= threshold]


def _pieces(
    pairs: np.ndarray, similarities: np.ndarray, *, threshold: float, largest: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields connected components, larger ones than ``largest`` broken: sorted positions, and the pairs among them."""
    waiting = [(pairs, similarities, threshold)]
    while waiting:
        pairs, similarities, floor = waiting.pop()
        near = similarities >= floor
        pairs, similarities = pairs[near], similarities[near]
        for members, inside in _components(pairs):
            if len(members) <= largest or 1 - floor < _FINEST:
                yield members, pairs[inside]
            else:
                raised = 1 - (1 - floor) * (1 - _STEP)
                log.warning("%d images hang together at %.4f; looking at %.4f", len(members), floor, raised)
                waiting.append((pairs[inside], similarities[inside], raised))


def _components(pairs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields connected components of the graph of pairs: sorted positions (n,), and the rows of ``pairs`` that are
    inside.
    """
    if not len(pairs):
        return
    positions, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(pairs.shape)
    graph = coo_array((np.ones(len(pairs), dtype=bool), (ends[:, 0], ends[:, 1])), shape=(len(positions),) * 2)
    number, labels = connected_components(graph, directed=False)
    of_pairs = labels[ends[:, 0]]
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels, minlength=number))[:-1])
    inside = np.split(np.argsort(of_pairs, kind="stable"), np.cumsum(np.bincount(of_pairs, minlength=number))[:-1])
    for component, edges in zip(members, inside, strict=True):
        yield positions[component], edges


def average_linkage(vectors: np.ndarray, pairs: np.ndarray, *, threshold: float) -> list[np.ndarray]:
    """Joins the nearest linked clusters while their mean similarity reaches the threshold (UPGMA cut at a similarity).

    Args:
        vectors: (n, d), of length one.
        pairs: (m, 2) positions that are linked; clusters are linked when members of theirs are.
        threshold: the least mean cosine between two clusters that are joined.

    Returns:
        The clusters, each the sorted positions of its members, by their first position; single images too.
    """
    clusters = _Clusters(vectors, pairs)
    queue: list[tuple[float, int, int]] = []
    for cluster, others in enumerate(clusters.links):
        clusters.push(queue, cluster, sorted(other for other in others if other > cluster), threshold)
    while queue:
        _, cluster, other = heapq.heappop(queue)
        if clusters.members[cluster] and clusters.members[other]:
            joined = clusters.join(cluster, other)
            clusters.push(queue, joined, sorted(clusters.links[joined]), threshold)
    positions = [np.array(sorted(members)) for members in clusters.members if members]
    return sorted(positions, key=lambda members: int(members[0]))


class _Clusters:
    """Keeps clusters by number: a join makes a new one, and its two parts are empty from then on."""

    def __init__(self, vectors: np.ndarray, pairs: np.ndarray) -> None:
        self.sums = vectors.astype(np.float64)
        self.row = list(range(len(vectors)))  # of each cluster's sum; a new cluster takes over that of a part
        self.members = [[position] for position in range(len(vectors))]
        self.links: list[set[int]] = [set() for _ in range(len(vectors))]
        for first, second in pairs.tolist():
            self.links[first].add(second)
            self.links[second].add(first)

    def push(self, queue: list[tuple[float, int, int]], cluster: int, others: list[int], threshold: float) -> None:
        """Queues the joins of a cluster with others that reach the threshold, the nearest first to be popped."""
        if not others:
            return
        sizes = np.array([len(self.members[other]) for other in others]) * len(self.members[cluster])
        products = self.sums[[self.row[other] for other in others]] @ self.sums[self.row[cluster]]
        means = (products / sizes).round(_DECIMALS)
        for other, mean in zip(others, means.tolist(), strict=True):
            if mean >= threshold:
                heapq.heappush(queue, (-mean, min(cluster, other), max(cluster, other)))

    def join(self, cluster: int, other: int) -> int:
        """Puts two clusters together; returns the number of the new one."""
        new = len(self.members)
        self.sums[self.row[cluster]] += self.sums[self.row[other]]
        self.row.append(self.row[cluster])
        self.members.append(self.members[cluster] + self.members[other])
        self.links.append((self.links[cluster] | self.links[other]) - {cluster, other})
        for linked in self.links[new]:
            self.links[linked] -= {cluster, other}
            self.links[linked].add(new)
        for part in (cluster, other):
            self.members[part] = []
            self.links[part] = set()
        return new


def _to_the_others(vectors: np.ndarray) -> np.ndarray:
    """Returns the mean cosine of each of n vectors (n, d) to the n - 1 others, in -1..1."""
    total = vectors.sum(axis=0, dtype=np.float64)
    own = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    means = (vectors @ total - own) / (len(vectors) - 1)
    return means.clip(-1.0, 1.0).round(6)
