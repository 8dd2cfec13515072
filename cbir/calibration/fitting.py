"""Fits the model of probabilities to pairs whose truth is known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

_PENALTY = 1.0  # of the squared weights, in units of one pair's loss; more makes the model more cautious
_DIGITS = 4


def fit_logistic(values: Mapping[str, NDArray[np.float64]], true: NDArray[np.bool_]) -> dict[str, Any]:
    """Fits a logistic model with L2 penalty whose weights are not negative.

    Args:
        values: features by name, (m,) each.
        true: (m,), whether the pair shows the same photograph.

    Returns:
        A part of probability.json, a :class:`cbir.matching.probability.Logistic`.
    """
    table = np.stack(list(values.values()), axis=1)
    mean, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-6)
    standard, sign = (table - mean) / scale, np.where(true, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight, intercept = parameters[:-1], parameters[-1]
        margin = sign * (standard @ weight + intercept)
        slope = -sign / (1 + np.exp(np.minimum(margin, 500)))
        gradient = np.append(standard.T @ slope + _PENALTY * weight, slope.sum())
        return float(np.logaddexp(0, -margin).sum() + _PENALTY / 2 * weight @ weight), gradient

    count = table.shape[1]
    bounds = [(0.0, None)] * count + [(None, None)]
    best = minimize(loss, np.zeros(count + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    rows = {
        name: dict(zip(("mean", "scale", "weight"), map(_rounded, row), strict=True))
        for name, *row in zip(values, mean, scale, best[:-1], strict=True)
    }
    return {
        "pairs": len(true),
        "true_pairs": int(true.sum()),
        "intercept": _rounded(best[-1]),
        "features": rows,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
