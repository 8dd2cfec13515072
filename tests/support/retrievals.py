"""Made-up archives for the tests of the evaluation: embeddings, a ground truth, and the lists of an exact index."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cbir.evaluation.retrieval.relevance import RetrievalTask, retrieval_task


@dataclass(frozen=True)
class Archive:
    ids: np.ndarray
    vectors: np.ndarray
    groundtruth: pd.DataFrame
    neighbours: pd.DataFrame

    def task(self, *, relevance: str = "auto", gallery: str = "all") -> RetrievalTask:
        return retrieval_task(self.ids, self.groundtruth, relevance=relevance, gallery=gallery)


def archive(
    vectors: np.ndarray,
    *,
    groups: Sequence[str | None],
    splits: Sequence[str | None] | None = None,
    classes: Sequence[str | None] | None = None,
    k: int = 30,
) -> Archive:
    """An archive whose image at row i has ``groups[i]``; ids rise with the row."""
    count = len(vectors)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = np.array([f"{row:032x}" for row in range(count)], dtype=object)
    columns = {"group_id": groups, "split": splits or ["test"] * count, "class": classes or [None] * count}
    truth = pd.DataFrame({name: pd.array(list(values), dtype="str") for name, values in columns.items()})
    return Archive(ids, vectors, truth.assign(image_id=ids), lists(ids, vectors, k=k))


def lists(ids: np.ndarray, vectors: np.ndarray, *, k: int) -> pd.DataFrame:
    """The k nearest of every image, as the stage ``index`` writes them."""
    k = min(k, len(ids) - 1)
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -np.inf)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return pd.DataFrame(
        {
            "query_id": pd.array(np.repeat(ids, k), dtype="str"),
            "rank": np.tile(np.arange(1, k + 1), len(ids)),
            "neighbour_id": pd.array(ids[order.ravel()], dtype="str"),
            "similarity": np.take_along_axis(cosine, order, axis=1).ravel(),
        }
    )


def scattered(
    *,
    groups: int,
    size: int = 3,
    distractors: int = 10,
    noise: float = 1.0,
    dimension: int = 16,
    seed: int = 0,
    k: int = 30,
) -> Archive:
    """Groups around random centres, split by turns into train, val and test, and distractors."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(groups, dimension)), size, axis=0)
    members = centres + noise * rng.normal(size=centres.shape)
    number = np.repeat(np.arange(groups), size)
    return archive(
        np.concatenate([members, rng.normal(size=(distractors, dimension))]),
        groups=[*(f"g{n:03d}" for n in number), *[None] * distractors],
        splits=[*(("train", "val", "test")[n % 3] for n in number), *[None] * distractors],
        k=k,
    )
