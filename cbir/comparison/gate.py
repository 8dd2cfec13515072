"""The promotion gate: decides whether a newly trained encoder is measurably better than the one in service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from annotated_types import Ge, Gt, Le

from cbir.base.errors import UserError
from cbir.comparison.paired import compare

GUARDED = "recall_at_p90"
_ROUNDED = 1e-9  # a fall of just the tolerance is none


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The conditions of a promotion; the names are those of the section ``promotion`` of params.yaml.

    Attributes:
        metric: of the per-query tables; must be better.
        significance: upper bound of the p-value of the paired bootstrap over groups.
        tolerance: the most that recall_at_p90 may fall.
    """

    metric: str
    significance: Annotated[float, Gt(0), Le(1), "it is a probability"]
    tolerance: Annotated[float, Ge(0)]


@dataclass(frozen=True)
class Measured:
    """The metrics.json and the per-query table of an encoder, on an archive."""

    metrics: Mapping[str, Any]
    per_query: pd.DataFrame


@dataclass(frozen=True)
class Decision:
    """The decision to promote or not, the reason in a sentence, and the numbers behind it, by name."""

    promoted: bool
    reason: str
    numbers: dict[str, float]


def require_metric(measured: Measured, gate: Gate) -> None:
    """Raises UserError where the gate's metric is none of the per-query table: before anything is trained for it."""
    if gate.metric not in measured.per_query:
        numbers = measured.per_query.select_dtypes("float").columns
        raise UserError(
            f"promotion.metric is {gate.metric!r}, which is no metric of the queries; there are {', '.join(numbers)}"
        )


def decide(challenger: Measured, champion: Measured, gate: Gate) -> Decision:
    """Compares a challenger with the encoder in service, on the same queries in the same gallery.

    Promoted when the metric's mean is better, the paired bootstrap over groups gives a p-value below the significance
    (:func:`cbir.comparison.paired.compare`), and recall_at_p90 falls by no more than the tolerance.

    Raises:
        UserError: the tables lack the metric.
    """
    for measured in (challenger, champion):
        require_metric(measured, gate)
    if difference := _different_protocol(challenger, champion):
        return Decision(False, difference, {})
    comparison = compare(challenger.per_query, champion.per_query, metric=gate.metric)
    if comparison.difference is None or comparison.interval is None or comparison.p_value is None:
        return Decision(False, f"not enough to tell: {comparison.queries} queries, of fewer than two groups", {})
    numbers = {
        gate.metric: float(challenger.per_query[gate.metric].mean()),
        f"{gate.metric}_in_service": float(champion.per_query[gate.metric].mean()),
        "difference": comparison.difference,
        "low": comparison.interval[0],
        "high": comparison.interval[1],
        "p_value": comparison.p_value,
        "queries": float(comparison.queries),
        **_guarded(challenger, champion),
    }
    promoted, reason = _judge(numbers, gate)
    return Decision(promoted, reason, numbers)


def loss_in_words(challenger: Measured, champion: Measured, *, metric: str) -> str:
    """Words how much lower a metric's mean is with one encoder than with another, on the same queries.

    Empty where it is not lower, or the two were not measured alike.
    """
    tables = challenger.per_query, champion.per_query
    if any(metric not in table for table in tables) or _different_protocol(challenger, champion):
        return ""
    now, before = (float(table[metric].mean()) for table in tables)
    return f"{metric} {now:.3f}, in service {before:.3f}" if now < before else ""


def _judge(numbers: Mapping[str, float], gate: Gate) -> tuple[bool, str]:
    words = (
        f"{gate.metric} {numbers[gate.metric]:.3f}, in service {numbers[f'{gate.metric}_in_service']:.3f}: "
        f"{numbers['difference']:+.3f} ({numbers['low']:+.3f} to {numbers['high']:+.3f}), "
        f"p = {numbers['p_value']:.4f} on {numbers['queries']:.0f} queries"
    )
    if numbers["difference"] <= 0:
        return False, f"not better: {words}"
    if numbers["p_value"] >= gate.significance:
        return False, f"the gain may be chance: {words}, to be below {gate.significance:g}"
    fall = numbers.get(f"{GUARDED}_in_service", 0.0) - numbers.get(GUARDED, 0.0)
    if fall > gate.tolerance + _ROUNDED:
        return False, f"{GUARDED} falls by {fall:.3f}, more than {gate.tolerance:g}; {words}"
    return True, f"better: {words}"


def _guarded(challenger: Measured, champion: Measured) -> dict[str, float]:
    values = {GUARDED: challenger.metrics.get(GUARDED), f"{GUARDED}_in_service": champion.metrics.get(GUARDED)}
    return {name: float(value) for name, value in values.items() if value is not None}


def _different_protocol(challenger: Measured, champion: Measured) -> str | None:
    """Returns why the two cannot be compared; None where they can."""
    for name in ("images", "gallery", "queries", "true_pairs"):
        value, in_service = (each.metrics["counts"].get(name) for each in (challenger, champion))
        if value != in_service:
            return f"not measured alike: {value} {name.replace('_', ' ')}, of the encoder in service {in_service}"
    mine, others = (set(each.per_query["query_id"]) for each in (challenger, champion))
    if mine != others:
        return f"not measured alike: {len(mine ^ others)} queries that only one of the two encoders was asked"
    return None
