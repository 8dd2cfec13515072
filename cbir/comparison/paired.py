"""Compares two systems on the queries that both have: the difference in a metric, and whether it may be chance.

The bootstrap is paired (both systems are read on the same resample) and draws groups, whose queries share their
difficulty. Sources: Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for Information
Retrieval Evaluation, CIKM 2007; Sakai, Evaluating Evaluation Metrics based on the Bootstrap, SIGIR 2006; Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cbir.base.errors import UserError
from cbir.evaluation.retrieval.bootstrap import bounds, resampled
from cbir.evaluation.retrieval.metrics import Floats

_SAME = 1e-9  # differences nearer to each other than this differ by rounding alone


@dataclass(frozen=True)
class Comparison:
    """The difference between a system and its baseline.

    Attributes:
        queries: number of queries that both have.
        difference: of the means over those queries, system minus baseline; None without any.
        interval: 95 %, (low, high); None where there are fewer than two groups.
        p_value: two-sided: how likely a difference of at least this size is where there is none; None as the interval.
    """

    queries: int
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None


def compare(
    system: pd.DataFrame, baseline: pd.DataFrame, *, metric: str = "map@10", resamples: int = 10_000, seed: int = 0
) -> Comparison:
    """Compares two systems by a metric of their per-query tables.

    Groups are drawn as for the other intervals (:mod:`cbir.evaluation.retrieval.bootstrap`); the difference d of the
    means is read anew on each of the B resamples as d*. Its interval is between the 2.5th and the 97.5th percentile of
    the d*.
    Shifted to a mean of zero, d* - d is what would be seen if there were no difference:
    p = (1 + #(|d* - d| >= |d|)) / (B + 1).

    Args:
        system, baseline: reports/per_query.parquet of each: query_id, the metric, and group_id; without it (classes,
            which are few and fixed) each query is drawn by itself.
        resamples: B; no p-value is below 1 / (B + 1).

    Raises:
        UserError: a table lacks the metric.
    """
    for table in (system, baseline):
        if metric not in table:
            raise UserError(f"{metric} is no metric of the per-query tables; they have {', '.join(_metrics(table))}")
    unit = "group_id" if "group_id" in system else "query_id"
    columns = list(dict.fromkeys(["query_id", unit, metric]))
    both = system[columns].merge(baseline[["query_id", metric]], on="query_id", suffixes=("", "_baseline"))
    both = both.sort_values("query_id", ignore_index=True)
    if both.empty:
        return Comparison(0)
    differences = (both[metric] - both[f"{metric}_baseline"]).to_numpy(dtype=float)

    def mean(weight: Floats) -> dict[str, Floats]:
        return {"difference": weight @ differences / weight.sum(axis=1)}

    units = pd.factorize(both[unit], sort=True)[0].astype(np.int64)
    difference = float(differences.mean())
    drawn = resampled(mean, units, resamples=resamples, seed=seed).get("difference")
    if drawn is None:
        return Comparison(len(both), difference)
    as_far = np.abs(drawn - difference) >= abs(difference) - _SAME
    return Comparison(len(both), difference, bounds(drawn), float((1 + as_far.sum()) / (1 + len(drawn))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p-values for several comparisons at once (Holm), so that any false alarm among them is as rare as they
    say.

    The i-th smallest of m becomes the largest of (m - j + 1) · p_j over j <= i, at most 1. Source: Holm, A Simple
    Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    left = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(left * np.asarray(p_values, dtype=float)[order]), 1)
    return adjusted.tolist()


def _metrics(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns if table[name].dtype == float]
