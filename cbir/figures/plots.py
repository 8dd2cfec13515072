"""Draws the figures of an evaluation as PNG, and writes their numbers as CSV, which DVC draws again interactively.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; PNGs carry no date and no software.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cbir.evaluation.metrics import Floats
from cbir.evaluation.relevance import RetrievalTask
from cbir.evaluation.retrieval import Evaluation
from cbir.evaluation.threshold import Threshold

BLUE, ORANGE, GREEN, PINK, SKY, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
DARK, GREY, PALE = "#222222", "#6E6E6E", "#C8C8C8"

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": DARK,
    "ytick.labelcolor": DARK,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 2,
    "text.parse_math": False,  # a $ in a name is a $
}
_CURVE_POINTS = 500  # rows of the curve's CSV
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
_PUBLISHED = {"mean": "mean distance", "median": "median distance", "percentile25": "25th percentile"}
_RULES = {
    "promise": "promised",
    "f1": "best F1 on val",
    "precision": "target precision on val",
    "default": "default, not learned",
}


@contextmanager
def figure(
    path: Path, *, title: str, subtitle: str, size: tuple[float, float] = (8.5, 5.5), above: int = 0
) -> Iterator[Axes]:
    """Axes to draw in; saved as PNG when the block ends.

    Args:
        title: what is seen, in one line.
        subtitle: what stands below it, smaller: how many, of what.
        size: width and height in inches, at 150 dots an inch.
        above: points kept free between subtitle and axes, for a second axis.
    """
    with matplotlib.rc_context(_STYLE):
        drawing = Figure(figsize=size, layout="constrained")
        axes = drawing.add_subplot()
        lines = subtitle.count("\n") + 1
        axes.set_title(title, pad=above + 10 + 15 * lines)
        below: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        axes.annotate(subtitle, (0, 1), (0, above + 7), color=GREY, fontsize=10.5, linespacing=1.25, **below)
        yield axes
        drawing.savefig(path, format="png", dpi=150, metadata={"Software": None})


def loss_curves(figures: Path, curves: Path, history: pd.DataFrame) -> None:
    """Writes ``loss.png`` and ``loss.csv`` (epoch, train, val); without a training the CSV is empty and there is no
    PNG.

    Args:
        figures: folder of the PNG.
        curves: folder of the CSV.
        history: epoch, split, loss; other columns are left alone.
    """
    table = history.pivot_table(index="epoch", columns="split", values="loss", aggfunc="last")
    table = table.reindex(columns=["train", "val"])
    _write_curve(curves / "loss.csv", table.reset_index())
    if table.empty:
        return
    subtitle = f"{len(table)} epochs"
    best = table["val"].idxmin() if table["val"].notna().any() else None
    if best is not None:
        subtitle += f"; lowest validation loss {table['val'][best]:.3f} at epoch {best}"
    with figure(figures / "loss.png", title="Loss by epoch", subtitle=subtitle) as axes:
        for split, colour, style, label in (("train", BLUE, "-", "training"), ("val", ORANGE, "--", "validation")):
            if table[split].notna().any():
                axes.plot(table.index, table[split], style, color=colour, label=label, marker="o", markersize=3)
        if best is not None:
            ring: Any = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 2}
            axes.plot(best, table["val"][best], "o", color=ORANGE, **ring)
        axes.set(xlabel="Epoch", ylabel="Loss (nats)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()


def precision_recall(figures: Path, curves: Path, evaluation: Evaluation) -> None:
    """Writes ``precision_recall.png`` and ``precision_recall.csv`` (threshold, precision, recall, f1) of the queries'
    pairs.

    The threshold in use is marked, and what the published rules, which take a cosine, give on the test groups. Without
    a true pair there is no PNG, and without any pair the CSV is empty.

    Args:
        figures: folder of the PNG.
        curves: folder of the CSV.
    """
    curve = evaluation.pairs.looked_at().curve()
    count = len(curve.similarity)
    rows = np.unique(np.linspace(0, count - 1, min(count, _CURVE_POINTS)).round().astype(int))
    columns = {"threshold": curve.similarity, "precision": curve.precision, "recall": curve.recall, "f1": curve.f1}
    table = pd.DataFrame({name: values[rows] for name, values in columns.items()})
    _write_curve(curves / "precision_recall.csv", table)
    if not curve.true.any():
        return
    title = "Precision and recall of pairs, by threshold"
    with figure(figures / "precision_recall.png", title=title, subtitle=_counted(evaluation), size=(7.5, 6.5)) as axes:
        _equal_f1(axes)
        axes.plot(np.r_[0, curve.recall], np.r_[curve.precision[0], curve.precision], color=BLUE)
        for (rule, (value, reading)), marker in zip(evaluation.published.items(), "s^D", strict=False):
            label = f"published, {_PUBLISHED[rule]}: cosine {value:.3f}"
            looks: Any = {"marker": marker, "color": GREY, "markersize": 8, "markerfacecolor": "white"}
            _mark(axes, reading.recall, reading.precision, label=label, **looks)
        value = evaluation.threshold.value
        accepted = int((curve.similarity >= value).sum())
        if accepted:
            point = curve.recall[accepted - 1], curve.precision[accepted - 1]
            _mark(axes, *point, label=f"threshold in use: {value:.3f}", marker="o", color=ORANGE, markersize=11)
        axes.set_xlabel("Recall: part of all true pairs that is accepted")
        axes.set_ylabel("Precision: part of accepted pairs that is true")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03))
        _legend_below(axes)


def _counted(evaluation: Evaluation) -> str:
    value, (low, high) = evaluation.metrics["micro_ap"], evaluation.intervals.get("micro_ap", (None, None))
    around = "" if low is None else f" (95 %: {low:.3f} to {high:.3f})"
    pairs = f"{evaluation.pairs.total:,.0f} true pairs, {len(evaluation.lists.queries):,} queries"
    return f"{pairs}; micro average precision {value:.3f}{around}"


def _mark(axes: Axes, recall: float | None, precision: float | None, *, label: str, **looks: Any) -> None:
    """Marks a point; where nothing is accepted there is none."""
    if recall is not None and precision is not None:
        axes.plot(
            recall, precision, linestyle="none", label=label, markeredgewidth=1.5, zorder=3, clip_on=False, **looks
        )


def _equal_f1(axes: Axes) -> None:
    """Draws faint lines along which F1 is the same."""
    for value in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(value / 2 + 1e-3, 1, 200)
        precision = value * recall / (2 * recall - value)
        axes.plot(recall[precision <= 1], precision[precision <= 1], color=PALE, linewidth=1)
        looks: Any = {"color": GREY, "fontsize": 8.5, "ha": "center", "va": "center", "rotation": -45}
        axes.annotate(f"F1 {value}", (value, value), bbox={"color": "white", "pad": 1}, **looks)


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
    _write_curve(curves / "similarities.csv", pd.DataFrame({"similarity": (edges[:-1] + edges[1:]) / 2, **columns}))
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
    _write_curve(curves / "probabilities.csv", pd.DataFrame({"probability": (edges[:-1] + edges[1:]) / 2, **columns}))
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
        _legend_below(axes)


def _distance_axis(axes: Axes, lowest: float) -> None:
    """Puts the Euclidean distances above an axis of cosines."""
    distance = axes.secondary_xaxis("top", functions=(_distance, _cosine))
    distance.set_xlabel("Euclidean distance of the embeddings", color=GREY)
    ticks = [0, *np.arange(0.4, 2.1, 0.2).round(1)]  # 0.2 would stand upon 0
    distance.set_xticks([tick for tick in ticks if lowest <= _cosine(tick)])


def _legend_below(axes: Axes) -> None:
    """Puts the legend where it hides nothing."""
    drawing = axes.get_figure()
    if isinstance(drawing, Figure):
        drawing.legend(loc="outside lower left", ncols=2)


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


def _write_curve(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
