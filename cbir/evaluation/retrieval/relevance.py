"""Defines what counts as right in the evaluation: images that belong together, queries, gallery and distractors."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Relevance = Literal["group", "class", "auto"]
Gallery = Literal["all", "labelled"]

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class RetrievalTask:
    """The archive as the evaluation sees it; images are named by their position in ``ids``.

    Attributes:
        ids: (n,), image_ids, sorted.
        label: (n,), the number of the image's group (or class), -1 for a distractor. A label has at least two images.
        names: the groups' (or classes') names by number.
        split: (n,), "train", "val", "test" or "".
        gallery: positions of the images that are searched, rising.
        unit: (n,), what the bootstrap resamples: the group; for classes, which are few and fixed, the image.
        relevance: what a label is.
    """

    ids: NDArray[np.object_]
    label: Positions
    names: tuple[str, ...]
    split: NDArray[np.object_]
    gallery: Positions
    unit: Positions
    relevance: Literal["group", "class"]

    def queries(self, *splits: str) -> Positions:
        """Returns the labelled images of these splits, of all where none is named: each has another member in the
        gallery.
        """
        chosen = self.label >= 0
        if splits:
            chosen &= np.isin(self.split, splits)
        return np.flatnonzero(chosen)

    def relevant(self, queries: Positions) -> NDArray[np.int64]:
        """Returns how many right images there are for each query, itself aside."""
        sizes = np.bincount(self.label[self.label >= 0], minlength=len(self.names))
        return sizes[self.label[queries]] - 1


def retrieval_task(
    ids: NDArray[np.object_], groundtruth: pd.DataFrame, *, relevance: Relevance, gallery: Gallery
) -> RetrievalTask:
    """Takes the ground truth's groups or classes for the images that are embedded.

    Args:
        ids: (n,), image_ids of the embeddings, sorted.
        groundtruth: the table of DESIGN.md §5, one row an image_id.
        relevance: ``auto`` takes groups where the ground truth has any, else classes.
        gallery: ``all`` images, or the ``labelled`` ones only.

    An image whose group has no other embedded image is a distractor.
    """
    table = groundtruth.set_index("image_id").reindex(ids)
    column = _column(table, relevance)
    label, names = _labels(table[column])
    grouped = column == "group_id"
    everything = np.arange(len(ids), dtype=np.int64)
    return RetrievalTask(
        ids=np.asarray(ids, dtype=object),
        label=label,
        names=names,
        split=table["split"].astype(object).where(table["split"].notna(), "").to_numpy(),
        gallery=everything if gallery == "all" else np.flatnonzero(label >= 0),
        unit=label if grouped else everything,
        relevance="group" if grouped else "class",
    )


def _column(table: pd.DataFrame, relevance: Relevance) -> str:
    if relevance == "auto":
        return "class" if table["group_id"].isna().all() and table["class"].notna().any() else "group_id"
    return {"group": "group_id", "class": "class"}[relevance]


def _labels(values: pd.Series) -> tuple[Positions, tuple[str, ...]]:
    """Numbers of the names that occur at least twice, -1 for what has none."""
    counts = values.value_counts()
    names = sorted(str(name) for name in counts.index[counts >= 2])
    return pd.Index(names, dtype=object).get_indexer(values.astype(object)).astype(np.int64), tuple(names)
