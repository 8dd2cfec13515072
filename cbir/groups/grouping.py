"""Makes the table of groups from the matches of an archive, as decisions bind it."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from cbir.archive.manifest import in_order, unique_images
from cbir.base.display import Progress, silent
from cbir.groups.best import best_copies
from cbir.groups.decisions.constraints import component_labels, contract, expand, keep_apart, rejoin
from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Links
from cbir.groups.linkage import find_clusters
from cbir.matching.table import SAME_SCENE

FREE = Links()  # nobody has decided anything


def group_images(
    manifest: pd.DataFrame,
    matches: pd.DataFrame,
    *,
    threshold: float,
    links: Links = FREE,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Returns the groups of an archive: images that show the same photograph, and pictures that are there as exact
    copies only.

    No two images of a group are shots of the same scene, by the matches or by decision, or were decided to be
    different. Images that are the same photograph by decision are in one group, and count as one image when the groups
    are found. People's word on images goes before that of the matches.

    Args:
        manifest: as ``cbir.archive.manifest.read_manifest`` gives it.
        matches: as ``cbir.matching.table.read_matches`` gives them, in any order, a pair in one direction or both.
        threshold: probability that the mean between two clusters must reach for them to be one.
        links: decisions that bind.

    Returns:
        One row an image of a group, sorted by group_id and image_id. group_id: the image_id of the group's first member
        by accession, path and page, which stays when later accessions add members. representative: true for the best
        copy, see ``cbir.groups.best.best_copies``. similarity: mean probability over its pairs with other members;
        those that are decided count 1. evidence: ``match``; ``decision`` for an image that no likely pair holds in its
        group; or ``exact copy`` for an image in several files without any other relative, whose similarity is 1.
    """
    images = unique_images(manifest)
    ids = images["image_id"].to_numpy(object)
    pairs, probabilities = known_pairs(matches, ids)
    labels, binding = _bound(links, ids)
    barred = np.concatenate([_scenes(matches, ids), binding])
    clusters = _obedient(pairs, probabilities, labels, barred, len(ids), threshold, progress)
    related = _members(clusters, pairs, probabilities, labels[: len(ids)], threshold)
    related["image_id"] = ids[related.pop("position")]
    copies = manifest.loc[manifest["status"] == "ok", "image_id"].value_counts(sort=False)
    copied = np.setdiff1d(copies.index[copies > 1].to_numpy(object), related["image_id"].to_numpy(object))
    numbers = len(clusters) + np.arange(len(copied))
    alone = pd.DataFrame({"image_id": copied, "cluster": numbers, "similarity": 1.0, "evidence": "exact copy"})
    clustered = pd.concat([part for part in (related, alone) if len(part)] or [related])
    return _name(clustered, images, matches, [decision.first for decision in links.best])


def _obedient(
    pairs: np.ndarray,
    probabilities: np.ndarray,
    labels: np.ndarray,
    barred: np.ndarray,
    count: int,
    threshold: float,
    progress: Progress,
) -> list[np.ndarray]:
    """Finds clusters as positions: images of one label are together, and no pair of ``barred`` is.

    Args:
        labels: of the ``count`` images of the archive, and behind them of others.
    """
    apart, alike = keep_apart(barred, labels), labels[:count]
    between = contract(pairs, probabilities, alike)
    clusters = expand(find_clusters(*between, threshold=threshold, apart=apart, progress=progress), alike)
    if len(np.unique(alike)) == count:
        return clusters
    free = keep_apart(barred, np.arange(len(labels)))
    near = _near_decided(pairs, probabilities >= threshold, alike)
    before = find_clusters(pairs[near], probabilities[near], threshold=threshold, apart=free)
    return rejoin(clusters, before, pairs[probabilities >= threshold], alike, apart)


def _near_decided(pairs: np.ndarray, likely: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns whether a pair (m,) has an image that likely pairs link, over others too, with one that is together with
    another: what is known of all other images stays as it is.
    """
    linked = component_labels(pairs[likely], len(labels))
    together = np.bincount(labels)[labels] > 1
    touched = np.isin(linked, linked[together])
    return np.asarray(touched[pairs].any(axis=1))


def known_pairs(matches: pd.DataFrame, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs that were looked at, each once: positions in ``ids`` (m, 2), the smaller first, and their
    probabilities (m,).
    """
    index = pd.Index(ids)
    first, second = index.get_indexer(matches["query_id"]), index.get_indexer(matches["neighbour_id"])
    keys = np.minimum(first, second).astype(np.int64) * max(len(ids), 1) + np.maximum(first, second)
    keys, rows = np.unique(keys, return_index=True)
    pairs = np.stack([keys // max(len(ids), 1), keys % max(len(ids), 1)], axis=1)
    return pairs, matches["probability"].to_numpy(np.float64)[rows]


def _scenes(matches: pd.DataFrame, ids: np.ndarray) -> np.ndarray:
    """Returns the pairs, as positions (m, 2), that the matches call the same scene."""
    scenes = matches[matches["relation"] == SAME_SCENE]
    return _positions(zip(scenes["query_id"], scenes["neighbour_id"], strict=True), pd.Index(ids))


def _positions(pairs: Iterable[tuple[str, str]], index: pd.Index) -> np.ndarray:
    ends = np.array(list(pairs), object).reshape(-1, 2)
    return np.stack([index.get_indexer(ends[:, side]) for side in (0, 1)], axis=1).astype(np.int64)


def _bound(links: Links, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns by decision which images are together and which pairs apart.

    An image that is in the archive no more still says that those which are the same as it are the same.

    Returns:
        labels: of each image, and behind those of each one that only decisions name, the number of all that are
            together with it; by the first image. pairs: (m, 2) positions.
    """
    named = {image for decision in (*links.together, *links.apart) for image in decision.pair}
    index = pd.Index([*ids, *sorted(named.difference(ids))], dtype=object)

    def positions(decisions: Iterable[Decision]) -> np.ndarray:
        return _positions((decision.pair for decision in decisions), index)

    return component_labels(positions(links.together), len(index)), positions(links.apart)


def _members(
    clusters: list[np.ndarray], pairs: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, threshold: float
) -> pd.DataFrame:
    """Returns the members of clusters, cluster by cluster: position, cluster, similarity and evidence."""
    members = np.concatenate([np.empty(0, np.int64), *clusters])
    numbers = np.repeat(np.arange(len(clusters)), [len(cluster) for cluster in clusters])
    cluster_of = np.full(len(labels), -1)
    cluster_of[members] = numbers
    inside = (cluster_of[pairs[:, 0]] == cluster_of[pairs[:, 1]]) & (cluster_of[pairs[:, 0]] >= 0)
    best = np.zeros(len(labels))
    np.maximum.at(best, pairs[inside].ravel(order="F"), np.tile(probabilities[inside], 2))
    all_pairs, certain = _with_decided(pairs[inside], probabilities[inside], labels)
    ends, weights = all_pairs.ravel(order="F"), np.tile(certain, 2)
    counts = np.bincount(ends, minlength=len(labels))[members]
    return pd.DataFrame(
        {
            "position": members,
            "cluster": numbers,
            "similarity": (np.bincount(ends, weights, minlength=len(labels))[members] / counts).round(6),
            "evidence": np.where(best[members] >= threshold, "match", "decision"),
        }
    )


def _with_decided(pairs: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs with those that are decided: each image that is together with others, and the first of these."""
    first = np.unique(labels, return_index=True)[1][labels]
    later = np.flatnonzero(first != np.arange(len(labels)))
    more = np.stack([first[later], later], axis=1)
    keys, rows = np.unique(np.concatenate([pairs, more]) @ [len(labels), 1], return_index=True)
    both = np.stack([keys // max(len(labels), 1), keys % max(len(labels), 1)], axis=1)
    values = np.concatenate([probabilities, np.ones(len(more))])[rows]
    return both, np.where(labels[both[:, 0]] == labels[both[:, 1]], 1.0, values)


def _name(clusters: pd.DataFrame, images: pd.DataFrame, matches: pd.DataFrame, chosen: Sequence[str]) -> pd.DataFrame:
    """Gives each cluster its group_id and its representative."""
    facts = ["image_id", "width", "height", "accession", "path", "page"]
    table = in_order(clusters.merge(images[facts], on="image_id", validate="one_to_one"))
    table = table.sort_values("cluster", kind="stable", ignore_index=True)
    table["group_id"] = table.groupby("cluster")["image_id"].transform("first")
    table["representative"] = best_copies(table, matches, chosen)
    columns = ["group_id", "image_id", "representative", "similarity", "evidence"]
    return table.sort_values(["group_id", "image_id"], ignore_index=True)[columns]
