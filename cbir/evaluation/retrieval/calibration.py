"""Measures whether probabilities mean what they say: of pairs that get 0.8, are 80 in 100 right?"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cbir.evaluation.retrieval.bootstrap import bounds, resampled
from cbir.evaluation.retrieval.evaluation import Evaluation
from cbir.evaluation.retrieval.metrics import Bools, Floats
from cbir.evaluation.retrieval.pairs import Pairs, neighbour_pairs
from cbir.evaluation.retrieval.ranking import listed

BINS = 10  # of equal width, as in the published definition of the error
_FARTHEST = 9.0  # logits; beyond, a probability says certain
_CELL = 0.1  # logits that are counted as one, so that resampling costs the cells and not the pairs
_STEPS = 30  # of Newton's method
_PRIOR = 1e-3  # keeps slope and intercept finite where the probabilities separate right from wrong altogether


@dataclass(frozen=True)
class Calibration:
    """The calibration of pairs, with 95 % intervals from a bootstrap over groups, (low, high), None for one group.

    Attributes:
        pairs, right: number of pairs, and of right ones.
        values, intervals: by name: ``slope`` and ``intercept`` of the logistic regression of right on the logit of the
            probability, 1 and 0 where it means what it says (Cox, Biometrika 45, 1958); a slope below 1 is too sure of
            itself. ``error``: the expected calibration error, Σ_b n_b / n · |mean probability − share of right ones|
            over bins b (Naeini, Cooper and Hauskrecht, AAAI 2015). NaN where all pairs are right or all wrong.
        probability, share, count: of each bin, (BINS,): mean probability and share of right ones (NaN in an empty bin),
            number of pairs.
        bars: (BINS, 2), 95 % interval of the share, NaN where there is none.
    """

    pairs: int
    right: int
    values: dict[str, float]
    intervals: dict[str, tuple[float, float] | None]
    probability: Floats
    share: Floats
    count: Floats
    bars: Floats


def with_calibration(evaluation: Evaluation, measured: Calibration) -> Evaluation:
    """Returns the evaluation with ``calibration_slope``, ``_intercept`` and ``_error``, None where undefined."""
    values = {f"calibration_{name}": None if np.isnan(value) else value for name, value in measured.values.items()}
    between = {f"calibration_{name}": interval for name, interval in measured.intervals.items() if interval}
    return replace(evaluation, metrics={**evaluation.metrics, **values}, intervals={**evaluation.intervals, **between})


def calibration_of_matches(evaluation: Evaluation, matches: pd.DataFrame, *, resamples: int, seed: int) -> Calibration:
    """Measures the probabilities of the pairs that images of test groups are in; a stranger's pair counts as wrong.

    Args:
        matches: query_id, rank, neighbour_id, probability.
    """
    task = evaluation.task
    scored = matches.assign(similarity=matches["probability"].astype(float))
    pairs = neighbour_pairs(task, listed(task, task.queries("test"), scored))
    return calibration(pairs, task.unit[pairs.queries], resamples=resamples, seed=seed)


def calibration(pairs: Pairs, units: NDArray[np.int64], *, resamples: int, seed: int) -> Calibration:
    """Measures the calibration of pairs whose similarity is a probability.

    Args:
        units: (Q,), the group of each query of the pairs.
        resamples, seed: of the bootstrap over groups.
    """
    cells = _cells(pairs.similarity)
    count, right = _by_cell(pairs, cells, chosen=np.ones(len(cells), bool)), _by_cell(pairs, cells, chosen=pairs.true)
    level = np.bincount(cells, pairs.similarity) / np.maximum(np.bincount(cells), 1)
    bins = np.minimum((level * BINS).astype(np.int64), BINS - 1)

    def statistics(weight: Floats) -> dict[str, Floats]:
        figures = _figures(weight @ count, weight @ right, level, bins)
        shares = figures.pop("share")
        return figures | {f"share {number}": shares[:, number] for number in range(BINS)}

    once = statistics(np.ones((1, len(pairs.queries))))
    drawn = resampled(statistics, units, resamples=resamples, seed=seed, width=3 * len(level))
    between = {name: bounds(drawn[name]) if name in drawn else None for name in once}
    names = [f"share {number}" for number in range(BINS)]
    total = np.bincount(bins, count.sum(axis=0), minlength=BINS).astype(float)
    return Calibration(
        pairs=len(pairs.similarity),
        right=int(pairs.true.sum()),
        values={name: float(once[name][0]) for name in ("slope", "intercept", "error")},
        intervals={name: between[name] for name in ("slope", "intercept", "error")},
        probability=_ratio(np.bincount(bins, count.sum(axis=0) * level, minlength=BINS).astype(float), total),
        share=np.array([once[name][0] for name in names]),
        count=total,
        bars=np.array([between[name] or (np.nan, np.nan) for name in names]),
    )


def logistic_fit(right: Floats, count: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Fits logit P(right) = intercept + slope · level by Newton's method, for each row of counts.

    Args:
        right, count: (B, C), right pairs and pairs of each cell.
        level: (C,), logits of the cells.

    Returns:
        Slope and intercept, (B,), NaN where all pairs are right or all wrong.
    """
    slope, intercept = np.ones(len(count)), np.zeros(len(count))
    for _ in range(_STEPS):
        p = expit(intercept[:, None] + slope[:, None] * level)
        rest, weight = right - count * p, count * p * (1 - p)
        g0, g1 = rest.sum(axis=1) - _PRIOR * intercept, rest @ level - _PRIOR * (slope - 1)
        h00, h01, h11 = weight.sum(axis=1) + _PRIOR, weight @ level, weight @ level**2 + _PRIOR
        determinant = h00 * h11 - h01**2
        intercept = intercept + np.clip((h11 * g0 - h01 * g1) / determinant, -2, 2)
        slope = slope + np.clip((h00 * g1 - h01 * g0) / determinant, -2, 2)
    undefined = (right.sum(axis=1) == 0) | (right.sum(axis=1) == count.sum(axis=1))
    return np.where(undefined, np.nan, slope), np.where(undefined, np.nan, intercept)


def _figures(count: Floats, right: Floats, level: Floats, bins: NDArray[np.int64]) -> dict[str, Floats]:
    """Computes slope, intercept and error (B,) and the share of right pairs by bin (B, BINS) from counts by cell."""
    member = np.eye(BINS)[bins]
    pairs, hits, expected = count @ member, right @ member, (count * level) @ member
    error = np.abs(expected - hits).sum(axis=1) / np.maximum(pairs.sum(axis=1), 1e-12)
    slope, intercept = logistic_fit(right, count, _logit(level))
    error = np.where(np.isnan(slope), np.nan, error)
    return {"slope": slope, "intercept": intercept, "error": error, "share": _ratio(hits, pairs)}


def _cells(probability: Floats) -> NDArray[np.int64]:
    """Numbers the pairs' probabilities from 0, those that differ by less than a tenth of a logit alike."""
    return np.unique((_logit(probability) / _CELL).round(), return_inverse=True)[1].astype(np.int64)


def _by_cell(pairs: Pairs, cells: NDArray[np.int64], *, chosen: Bools) -> Floats:
    """Returns each query's share of the chosen pairs of each cell, (Q, C)."""
    shares = np.zeros((len(pairs.queries), int(cells.max(initial=-1)) + 1))
    for cell in range(shares.shape[1]):
        shares[:, cell] = pairs.shares(chosen & (cells == cell))
    return shares


def _logit(probability: Floats) -> Floats:
    return logit(probability).clip(-_FARTHEST, _FARTHEST)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
