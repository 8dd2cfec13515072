"""The gate: whether a newly trained encoder is measurably better than the one in service."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from cbir.comparison import compare
from cbir.errors import UserError

GUARDED = "recall_at_p90"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """When an encoder is promoted; the names are those of the section ``promotion`` of params.yaml.

    Attributes:
        metric: of the per-query tables; must be better.
        significance: what the p-value of the paired bootstrap over groups must be below.
        tolerance: how much recall_at_p90 may fall.

    Raises:
        UserError: a value out of its range.
    """

    metric: str
    significance: float
    tolerance: float

    def __post_init__(self) -> None:
        if not 0 < self.significance <= 1:
            raise UserError(
                f"promotion.significance must be above 0 and at most 1, is {self.significance:g}: it is a probability"
            )
        if self.tolerance < 0:
            raise UserError(f"promotion.tolerance must be 0 or more, is {self.tolerance:g}")


@dataclass(frozen=True)
class Measured:
    """An encoder's metrics.json and its per-query table, on an archive."""

    metrics: dict[str, Any]
    per_query: pd.DataFrame


@dataclass(frozen=True)
class Decision:
    """Whether to promote, the reason in a sentence, and the numbers that decided, by name."""

    promoted: bool
    reason: str
    numbers: dict[str, float]


def decide(challenger: Measured, champion: Measured, gate: Gate) -> Decision:
    """Hold a challenger against the encoder in service, on the queries that both have in the same gallery.

    Promoted when the metric's mean is better, the paired bootstrap over groups gives a p-value below the significance
    (:func:`cbir.comparison.compare`), and recall_at_p90 falls by no more than the tolerance.

    Raises:
        UserError: the tables lack the metric.
    """
    galleries = [one.metrics["counts"]["gallery"] for one in (challenger, champion)]
    if galleries[0] != galleries[1]:
        return Decision(False, f"measured in different galleries, of {galleries[0]} and {galleries[1]} images", {})
    found = compare(challenger.per_query, champion.per_query, metric=gate.metric)
    if found.difference is None or found.interval is None or found.p_value is None:
        return Decision(
            False, f"not enough to tell: {found.queries} queries that both have, of fewer than two groups", {}
        )
    numbers = {
        "difference": found.difference,
        "low": found.interval[0],
        "high": found.interval[1],
        "p_value": found.p_value,
        "queries": float(found.queries),
    }
    guarded = [one.metrics.get(GUARDED) for one in (challenger, champion)]
    fall = 0.0
    if guarded[0] is not None and guarded[1] is not None:
        numbers |= {GUARDED: guarded[0], f"{GUARDED}_in_service": guarded[1]}
        fall = guarded[1] - guarded[0]
    measured = (
        f"{gate.metric} {found.difference:+.3f} ({found.interval[0]:+.3f} to {found.interval[1]:+.3f}), "
        f"p = {found.p_value:.4f} on {found.queries} queries"
    )
    if found.difference <= 0:
        return Decision(False, f"not better: {measured}", numbers)
    if found.p_value >= gate.significance:
        return Decision(False, f"the gain may be chance: {measured}, to be below {gate.significance:g}", numbers)
    if fall > gate.tolerance:
        return Decision(False, f"{GUARDED} falls by {fall:.3f}, more than {gate.tolerance:g} ({measured})", numbers)
    return Decision(True, f"better: {measured}", numbers)
