"""Computes 95 % intervals by resampling groups: queries of one group share its difficulty, so they are drawn
together.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from cbir.evaluation.retrieval.metrics import Floats

Statistics = Callable[[Floats], Mapping[str, Floats]]

_BLOCK = 4_000_000  # weights that are held at once: 32 MB


def intervals(
    statistics: Statistics, units: NDArray[np.int64], *, resamples: int, seed: int, width: int = 1
) -> dict[str, tuple[float, float]]:
    """Computes percentile intervals (2.5 % to 97.5 %) of statistics over groups drawn as :func:`resampled` does.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Returns:
        (low, high) by name; nothing where there are fewer than two groups or no resamples, and no name whose values are
        undefined in all resamples.
    """
    drawn = resampled(statistics, units, resamples=resamples, seed=seed, width=width)
    return {name: interval for name, values in drawn.items() if (interval := bounds(values)) is not None}


def resampled(
    statistics: Statistics, units: NDArray[np.int64], *, resamples: int, seed: int, width: int = 1
) -> dict[str, Floats]:
    """Returns the values of statistics in each resample of the groups, (resamples,) by name.

    As many groups as there are are drawn with replacement; a query counts as often as its group was drawn.

    Args:
        statistics: from the weights (B, Q) of the queries in B resamples to (B,) values by name, NaN where undefined.
        units: (Q,), the group of each query; any numbers.
        resamples: how many are drawn.
        seed: of the draws.
        width: how many numbers the statistics need for one resample at once (to bound the memory).

    Returns:
        Nothing where there are fewer than two groups or no resamples.
    """
    groups, member = np.unique(units, return_inverse=True)
    if len(groups) < 2 or resamples == 0:
        return {}
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // max(width, len(units)))
    drawn: dict[str, list[Floats]] = {}
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        weight = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=count).astype(float)
        for name, values in statistics(weight[:, member]).items():
            drawn.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def bounds(values: Floats) -> tuple[float, float] | None:
    """Returns the 2.5th and 97.5th percentile of the values that are defined; None where none is."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
