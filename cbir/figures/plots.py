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

from cbir.evaluation.retrieval.evaluation import Evaluation

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
_PUBLISHED = {"mean": "mean distance", "median": "median distance", "percentile25": "25th percentile"}


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
    write_curve(curves / "loss.csv", table.reset_index())
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
    write_curve(curves / "precision_recall.csv", table)
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
        legend_below(axes)


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


def legend_below(axes: Axes) -> None:
    """Puts the legend where it hides nothing."""
    drawing = axes.get_figure()
    if isinstance(drawing, Figure):
        drawing.legend(loc="outside lower left", ncols=2)


def write_curve(path: Path, table: pd.DataFrame) -> None:
    """Writes the numbers of a figure as CSV."""
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
