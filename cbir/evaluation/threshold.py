"""Learns the cosine similarity from which two images count as the same picture on validation pairs, and reads it on
test pairs.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from cbir.evaluation.metrics import Floats, PairCurve
from cbir.evaluation.pairs import Pairs

Rule = Literal["f1", "precision"]

PUBLISHED_NEIGHBOURS = 10  # the published rules look at the 10 nearest neighbours of every image


@dataclass(frozen=True)
class Reading:
    """Precision, recall and F1 of pairs at a threshold; all three are None where there are no true pairs.

    Attributes:
        precision: true accepted pairs / accepted pairs; None also where nothing is accepted.
        recall: true accepted pairs / all true pairs; those that are in no neighbour list count as missed.
        f1: their harmonic mean.
    """

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


@dataclass(frozen=True)
class Threshold:
    """The cosine similarity from which pairs are accepted, and how it was learned.

    Attributes:
        rule: ``f1``, ``precision``, or ``default`` where there was nothing to learn from.
        kept: whether the promised precision was reached on the validation pairs; None for the other rules.
        pairs, true_pairs: number of validation pairs that it was learned on, and number of true ones.
        reading: precision, recall and F1 on those.
    """

    value: float
    rule: str
    kept: bool | None = None
    pairs: int = 0
    true_pairs: int = 0
    reading: Reading = Reading()


def learn(pairs: Pairs, *, rule: Rule, target_precision: float, default: float) -> Threshold:
    """Learns the threshold on the pairs of the validation queries.

    ``f1`` takes the best F1. ``precision`` takes the lowest threshold whose precision is at least ``target_precision``;
    where none is, the one with the best precision. The threshold lies half-way between the last pair that is accepted
    and the next one, so that it does not hang on the last digit of one pair. It is ``default`` if no validation pair is
    true and listed: nothing is ever learned on the test groups.
    """
    curve = pairs.curve()
    if not curve.true.any():
        return Threshold(default, "default")
    value = float(choose(curve, rule=rule, target_precision=target_precision))
    reading = read(pairs, value)
    kept = None if rule == "f1" else reading.precision is not None and reading.precision >= target_precision
    return Threshold(value, rule, kept, len(pairs.similarity), round(pairs.total), reading)


def choose(curve: PairCurve, *, rule: str, target_precision: float) -> Floats:
    """Returns the thresholds (…) of curves (…, m) by one of the rules of :func:`learn`, NaN where nothing true is
    found.
    """
    if rule == "f1":
        index = curve.f1.argmax(axis=-1)
    else:
        goal = np.minimum(curve.precision.max(axis=-1, keepdims=True), target_precision)
        index = len(curve.similarity) - 1 - (curve.precision >= goal)[..., ::-1].argmax(axis=-1)
    below = np.r_[curve.similarity[1:], curve.similarity[-1]]
    values = ((curve.similarity + below) / 2)[index]
    return np.where(curve.true[..., -1] > 0, values, np.nan)


def read(pairs: Pairs, threshold: float) -> Reading:
    """Reads precision, recall and F1 of the pairs at a threshold."""
    accepted = pairs.similarity >= threshold
    count, right = int(accepted.sum()), int((accepted & pairs.true).sum())
    if pairs.total == 0:
        return Reading()
    return Reading(right / count if count else None, right / pairs.total, 2 * right / (count + pairs.total))


def published(similarity: Floats) -> dict[str, float]:
    """Returns the thresholds of published systems, which look at no label, as cosines: for comparison, not for use.

    They take the mean, the median or the 25th percentile of the distances d = √(2 − 2·s) of the nearest neighbours.

    Args:
        similarity: cosines of every image's first ``PUBLISHED_NEIGHBOURS`` neighbours; nothing gives nothing.
    """
    if not similarity.size:
        return {}
    distance = np.sqrt(np.maximum(2 - 2 * similarity, 0))
    chosen = {"mean": distance.mean(), "median": np.median(distance), "percentile25": np.percentile(distance, 25)}
    return {name: float(1 - value**2 / 2) for name, value in chosen.items()}


def threshold_document(learned: Threshold, *, target_precision: float) -> dict[str, Any]:
    """Returns the content of threshold.json."""
    return {
        "threshold": learned.value,
        "rule": learned.rule,
        "target_precision": target_precision if learned.rule == "precision" else None,
        "target_kept": learned.kept,
        "learned_on_pairs": learned.pairs,
        "true_pairs": learned.true_pairs,
        **asdict(learned.reading),
    }
