"""Draws how far probabilities mean what they say: the share of right pairs beside the probability that they got."""

from pathlib import Path

import numpy as np

from cbir.evaluation.retrieval.calibration import Calibration
from cbir.figures.plots import BLUE, DARK, GREY, figure


def reliability(figures: Path, measured: Calibration) -> None:
    """Writes ``reliability.png``: a point a bin of probabilities, its 95 % interval, and the diagonal of honest ones.

    The area of a point grows with the bin's number of pairs. Nothing is drawn where there is no right pair, or no wrong
    one.

    Args:
        figures: folder of the PNG.
    """
    if not 0 < measured.right < measured.pairs:
        return
    kept = measured.count > 0
    x, y, bars = measured.probability[kept], measured.share[kept], measured.bars[kept]
    size = 20 + 120 * np.sqrt(measured.count[kept] / measured.count.max())
    title, words = "Do the probabilities mean what they say?", ("slope", "intercept", "error")
    subtitle = f"{measured.pairs} pairs of test groups, {measured.right} right; " + ", ".join(
        f"{word} {measured.values[word]:.2f}" for word in words
    )
    with figure(figures / "reliability.png", title=title, subtitle=subtitle, size=(7.0, 6.5)) as axes:
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="as they should be")
        low, high = np.nan_to_num(bars[:, 0], nan=0), np.nan_to_num(bars[:, 1], nan=1)
        axes.vlines(x, low, high, color=BLUE, alpha=0.6, label="95 % interval, by groups")
        axes.scatter(x, y, s=size, color=BLUE, zorder=3, label="share of right pairs")
        for place, share, number in zip(x, y, measured.count[kept], strict=True):
            axes.annotate(
                f"{number:.0f}", (place, share), (7, -4), textcoords="offset points", fontsize=8.5, color=DARK
            )
        axes.set(xlabel="Probability, mean of the bin", ylabel="Share of right pairs", xlim=(-0.02, 1.04))
        axes.set_ylim(-0.02, 1.04)
        axes.legend(loc="upper left")
