"""Draws how similar and how likely right and wrong pairs are, and writes the numbers as CSV."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cbir.evaluation.retrieval.evaluation import Evaluation
from cbir.evaluation.retrieval.metrics import Floats
from cbir.evaluation.retrieval.relevance import RetrievalTask
from cbir.evaluation.retrieval.threshold import Threshold
from cbir.figures.plots import BLUE, DARK, GREY, ORANGE, figure, legend_below, write_curve

_BINS = 60
_RANDOM_PAIRS = 20_000
# Kinds of pairs in the histogram: colour, line, and how much of the colour fills the area.
_KINDS = {
    "true pairs": (BLUE, "-", 0.3),
    "wrong neighbours": (ORANGE, "-", 0.3),
    "neighbours": (BLUE, "-", 0.3),
    "random pairs": (GREY, ":", 0.0),
}
_LARGE = 500  # images of a class; its pairs are counted by the square
_RULES = {
    "promise": "promised",
    "f1": "best F1 on val",
    "precision": "target precision on val",
    "default": "default, not learned",
}


def similarity_histogram(
    figures: Path,
    curves: Path,
    evaluation: Evaluation,
    vectors: NDArray[np.float32],
    neighbours: pd.DataFrame,
    *,
    seed: int,
) -> None:
    """Writes ``similarities.png`` and ``similarities.csv``: the cosines of right and wrong pairs.

    Right pairs are all that have a query in them, listed or not; wrong ones are the neighbours that a person would be
    shown; random pairs tell what "unlike" is. Without queries, neighbours are neither right nor wrong.

    Args:
        figures: folder of the PNG; there is none without a pair.
        curves: folder of the CSV: the middle of each bin, and the part (%) of each kind of pairs that is in it.
        vectors: (n, d), in the order of the task's ids.
        neighbours: the index's lists.
        seed: of the random pairs.
    """
    kinds = _pairs(evaluation, vectors, neighbours, seed=seed)
    low = min((float(values.min()) for values in kinds.values()), default=0.0)
    edges = np.linspace(max(-1.0, np.floor(min(low, 0.99) * 20) / 20), 1.0, _BINS + 1)
    shares = _shares(kinds, edges)
    columns = {name.replace(" ", "_"): shares.get(name, np.zeros(_BINS)) for name in _KINDS}
    write_curve(curves / "similarities.csv", pd.DataFrame({"similarity": (edges[:-1] + edges[1:]) / 2, **columns}))
    if kinds:
        labels = {f"{name}: {len(values):,}": shares[name] for name, values in kinds.items()}
        _histogram(figures / "similarities.png", "Similarity of pairs", "Cosine similarity", labels, edges)


def probability_histogram(figures: Path, curves: Path, evaluation: Evaluation) -> None:
    """Writes ``probabilities.png`` and ``probabilities.csv``: the probabilities of right and wrong pairs that were
    looked at and have a query in them, and the threshold between.

    Args:
        figures: folder of the PNG; there is none without a pair.
        curves: folder of the CSV: the middle of each bin, and the part (%) of each kind of pairs that is in it.
    """
    threshold, pairs = evaluation.threshold, evaluation.pairs.looked_at()
    split = {"true pairs": pairs.similarity[pairs.true], "wrong neighbours": pairs.similarity[~pairs.true]}
    kinds = {name: values for name, values in split.items() if len(values)}
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    shares = _shares(kinds, edges)
    columns = {name.replace(" ", "_"): shares.get(name, np.zeros(_BINS)) for name in split}
    write_curve(curves / "probabilities.csv", pd.DataFrame({"probability": (edges[:-1] + edges[1:]) / 2, **columns}))
    if kinds:
        above = {name: 100 * (values >= threshold.value).mean() for name, values in kinds.items()}
        labels = {f"{name}: {len(kinds[name]):,}, {above[name]:.3g} % accepted": shares[name] for name in kinds}
        title, axis = "Probability of pairs, and the threshold", "Probability that both show the same photograph"
        _histogram(figures / "probabilities.png", title, axis, labels, edges, threshold)


def _shares(kinds: dict[str, Floats], edges: Floats) -> dict[str, Floats]:
    """Returns the part (%) of each kind of pairs that is in each bin."""
    return {name: 100 * np.histogram(values, edges)[0] / len(values) for name, values in kinds.items()}


def _pairs(
    evaluation: Evaluation, vectors: NDArray[np.float32], neighbours: pd.DataFrame, *, seed: int
) -> dict[str, Floats]:
    """Cosines of each kind of pairs that there is."""
    pairs = evaluation.pairs
    apart = random_pairs(evaluation.task, vectors, seed=seed)
    if len(pairs.queries):
        wrong = np.vecdot(vectors[pairs.first[~pairs.true]], vectors[pairs.second[~pairs.true]])
        kinds = (true_pairs(evaluation, vectors), wrong.astype(float), np.zeros(0), apart)
    else:
        kinds = (np.zeros(0), np.zeros(0), neighbours["similarity"].to_numpy(dtype=float), apart)
    return {name: np.clip(values, -1, 1) for name, values in zip(_KINDS, kinds, strict=True) if len(values)}


def _histogram(
    path: Path, title: str, axis: str, shares: dict[str, Floats], edges: Floats, threshold: Threshold | None = None
) -> None:
    """Draws parts by bin; with a threshold the axis is that of probabilities, without it that of cosines."""
    above = 38 if threshold is None else 0
    with figure(path, title=title, subtitle="each kind of pairs adds up to 100 %", above=above) as axes:
        for label, share in shares.items():
            colour, style, fill = _KINDS[label.partition(":")[0]]
            axes.stairs(share, edges, fill=True, color=colour, alpha=fill)
            axes.stairs(share, edges, color=colour, linewidth=2, linestyle=style, label=label)
        axes.set(xlabel=axis, ylabel="Part of the pairs of its kind (%)")
        axes.set(xlim=(edges[0], 1.0), ylim=(0, None))
        if threshold is None:
            _distance_axis(axes, float(edges[0]))
        else:
            rule = "no promise" if threshold.rule == "promise" and not threshold.kept else _RULES[threshold.rule]
            label = f"threshold: {threshold.value:.3f} ({rule})"
            axes.axvline(threshold.value, color=DARK, linestyle="--", label=label)
        legend_below(axes)


def _distance_axis(axes: Axes, lowest: float) -> None:
    """Puts the Euclidean distances above an axis of cosines."""
    distance = axes.secondary_xaxis("top", functions=(_distance, _cosine))
    distance.set_xlabel("Euclidean distance of the embeddings", color=GREY)
    ticks = [0, *np.arange(0.4, 2.1, 0.2).round(1)]  # 0.2 would stand upon 0
    distance.set_xticks([tick for tick in ticks if lowest <= _cosine(tick)])


def true_pairs(evaluation: Evaluation, vectors: NDArray[np.float32]) -> Floats:
    """Cosines of the true pairs with a query in them, listed or not; of a very large class, some."""
    task, queries = evaluation.task, evaluation.lists.queries
    cosines = []
    for number in np.unique(task.label[queries]):
        asked = queries[task.label[queries] == number][:_LARGE]
        members = np.flatnonzero(task.label == number)[: 10 * _LARGE]
        once = ~np.isin(members, asked)[None, :] | (members[None, :] > asked[:, None])
        cosines.append((vectors[asked] @ vectors[members].T)[once])
    return np.concatenate(cosines).astype(float)


def random_pairs(task: RetrievalTask, vectors: NDArray[np.float32], *, seed: int) -> Floats:
    """Cosines of pairs drawn from the gallery, those with the same label left out."""
    if not len(task.gallery):
        return np.zeros(0)
    first, second = np.random.default_rng(seed).choice(task.gallery, size=(2, _RANDOM_PAIRS))
    apart = (first != second) & ((task.label[first] != task.label[second]) | (task.label[first] < 0))
    return np.einsum("nd,nd->n", vectors[first[apart]], vectors[second[apart]]).astype(float)


def _distance(cosine: Any) -> Floats:
    return np.sqrt(np.maximum(2 - 2 * np.asarray(cosine), 0))


def _cosine(distance: Any) -> Floats:
    return 1 - np.asarray(distance) ** 2 / 2
