"""Measures the rank at which each altered copy of an image comes back among the archive and all copies."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.errors import UserError, nearest
from cbir.embedding.files import Embeddings
from cbir.evaluation.retrieval.bootstrap import intervals
from cbir.evaluation.retrieval.metrics import Floats, Ints
from cbir.robustness.alterations import KINDS

RESAMPLES = 1000  # of groups, for the intervals
_BLOCK = 1 << 24  # comparisons that are held at once: 16 MB
_ROUNDING = 2e-6  # similarities nearer to each other than this may be equal
_DIGITS = 6  # of the numbers in robustness.json


@dataclass(frozen=True)
class Robustness:
    """The ranks of the copies of Q images, by kind in the order of ``KINDS``.

    Attributes:
        images: image_id, path and page of the Q images.
        rank: (Q, kinds), from 1.
        similarity: (Q, kinds), cosine of image and copy.
        unit: (Q,), the group that the bootstrap draws the image with.
        gallery: number of images in the archive.
    """

    images: pd.DataFrame
    rank: Ints
    similarity: Floats
    unit: Ints
    gallery: int

    @property
    def reciprocal(self) -> Floats:
        """Mean of 1 / rank of an image's copies, (Q,)."""
        return (1 / self.rank).mean(axis=1)


def choose(images: pd.DataFrame, *, count: int, seed: int) -> pd.DataFrame:
    """Returns a seeded choice of the archive's images, by hash of each by itself.

    As the archive grows only images that are new and chosen displace others, the rest of the choice stays.

    Args:
        images: with the column image_id, each once.
    """
    order = images["image_id"].map(lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()).sort_values()
    return images.loc[order.index[:count]].sort_values("image_id", ignore_index=True)


def take(manifest: pd.DataFrame, paths: Sequence[str]) -> pd.DataFrame:
    """Returns the first page of each of these files, once.

    Args:
        paths: relative to the archive; accents may be composed or not.

    Raises:
        UserError: a path that is no usable image of the archive, with the nearest one.
    """
    usable = manifest[(manifest["status"] == "ok") & (manifest["page"] == 0)]
    place = {unicodedata.normalize("NFC", path): row for row, path in enumerate(usable["path"])}
    names = [unicodedata.normalize("NFC", path) for path in paths]
    for name in names:
        if name not in place:
            raise UserError(
                f"robustness.chosen names {name}, which is no usable image of the archive; {nearest(name, place)}"
            )
    rows = usable.iloc[[place[name] for name in names]]
    return rows.drop_duplicates("image_id").sort_values("image_id", ignore_index=True)


def measure(
    images: pd.DataFrame,
    copies: NDArray[np.float32],
    embeddings: Embeddings,
    groundtruth: pd.DataFrame,
) -> Robustness:
    """Adds the copies of images to the archive's embeddings, and searches with the originals.

    Images of the query's own group that come before a copy are no fault and are left out of the count: the query
    itself, its other copies, the members of its group, and their copies.

    Args:
        images: image_id, path, page of the Q images that ask, sorted by image_id.
        copies: (Q, kinds, d), as :func:`cbir.robustness.copies.copy_vectors` gives them.
        groundtruth: image_id, group_id.
    """
    label = group_numbers(embeddings.ids, groundtruth)
    rows = np.searchsorted(embeddings.ids, images["image_id"].to_numpy(dtype=object))
    rank, similarity = ranks(embeddings.vectors, label, rows, copies)
    files = images[["image_id", "path", "page"]].reset_index(drop=True)
    return Robustness(files, rank, similarity, label[rows], len(embeddings.ids))


def ranks(vectors: NDArray[np.float32], label: Ints, queries: Ints, copies: NDArray[np.float32]) -> tuple[Ints, Floats]:
    """Returns the rank of each copy among the archive and all copies, and its similarity, (Q, K) each.

    Images with the query's label are left out. A copy ranks last among equally similar images: an encoder to which all
    images are the same finds nothing.

    Args:
        vectors: (n, d), L2-normalised, of the archive.
        label: (n,), the group of each.
        queries: (Q,), rows of the images that ask.
        copies: (Q, K, d), of each of those.
    """
    asked, own = vectors[queries], label[queries]
    similarity = np.vecdot(copies, asked[:, None])
    gallery = ((vectors, label), (copies.reshape(-1, copies.shape[2]), np.repeat(own, copies.shape[1])))
    ahead = np.zeros(similarity.shape, dtype=np.int64)
    for others, groups in gallery:
        rows = max(1, _BLOCK // max(similarity.size, 1))
        for start in range(0, len(others), rows):
            block = slice(start, start + rows)
            cosine = np.where(groups[block] == own[:, None], -np.inf, asked @ others[block].T)
            ahead += (cosine[:, None] >= similarity[:, :, None] - _ROUNDING).sum(axis=2)
    return ahead + 1, similarity.astype(float).clip(-1, 1)


def table(measured: Robustness) -> pd.DataFrame:
    """Makes the table of images and kinds, sorted by path, page and kind: path, page (from 1), kind, rank,
    similarity.
    """
    kinds = len(KINDS)
    files = measured.images.loc[measured.images.index.repeat(kinds), ["path", "page"]].reset_index(drop=True)
    files["page"] = files["page"].astype("int64") + 1
    files["kind"] = list(KINDS) * len(measured.images)
    files["rank"], files["similarity"] = measured.rank.ravel(), measured.similarity.ravel()
    return files.sort_values(["path", "page", "kind"], ignore_index=True)


def document(measured: Robustness, *, seed: int) -> dict[str, Any]:
    """Returns the content of robustness.json: recall@1 and mean reciprocal rank, by kind and as means over the kinds.

    recall@1 is the part of the copies that came back first. Intervals are 95 %, from a bootstrap over groups.
    """
    columns = {"recall@1": (measured.rank == 1).astype(float), "mrr": 1 / measured.rank}
    values: dict[str, Floats] = {}
    for name, each in columns.items():
        values[name] = each.mean(axis=1)
        values |= {f"{name}_{kind}": each[:, place] for place, kind in enumerate(KINDS)}
    stacked = np.stack(list(values.values()), axis=1)

    def statistics(weight: Floats) -> dict[str, Floats]:
        return dict(zip(values, (weight @ stacked / weight.sum(axis=1, keepdims=True)).T, strict=True))

    between = intervals(statistics, measured.unit, resamples=RESAMPLES, seed=seed)
    bounds = {name: between.get(name, (None, None)) for name in values}
    return {
        **{name: round(float(each.mean()), _DIGITS) for name, each in values.items()},
        "ci95": {name: {"low": _rounded(low), "high": _rounded(high)} for name, (low, high) in bounds.items()},
        "counts": {
            "images": len(measured.images),
            "groups": len(np.unique(measured.unit)),
            "gallery": measured.gallery,
        },
    }


def group_numbers(ids: NDArray[np.object_], groundtruth: pd.DataFrame) -> Ints:
    """Returns a number for the group of each image; one without a group is a group by itself."""
    group = groundtruth.set_index("image_id")["group_id"].reindex(ids)
    return pd.factorize(group.where(group.notna(), pd.Series(ids, index=ids)))[0].astype(np.int64)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
