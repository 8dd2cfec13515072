"""Learns the score from which two images count as the same picture on validation pairs, and reads it on test pairs."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from cbir.evaluation.retrieval.metrics import Floats, PairCurve
from cbir.evaluation.retrieval.pairs import Pairs
from cbir.evaluation.retrieval.promise import CONFIDENCE, find_promise

Rule = Literal["promise", "f1", "precision"]

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
    """The score from which pairs are accepted, and how it was learned.

    Attributes:
        rule: ``promise``, ``f1``, ``precision``, or ``default`` where there was nothing to learn from.
        kept: for ``promise``, whether the precision can be promised; for ``precision``, whether the validation pairs
            reach it; None for the other rules.
        pairs, true_pairs: number of validation pairs that it was learned on, and number of true ones.
        reading: precision, recall and F1 on those.
        groups: number of validation groups that a promise rests on, or would.
        reason: why nothing can be promised, in words that go on after "Nothing can be promised: "; else empty.
    """

    value: float
    rule: str
    kept: bool | None = None
    pairs: int = 0
    true_pairs: int = 0
    reading: Reading = Reading()
    groups: int = 0
    reason: str = ""


def learn(
    pairs: Pairs, *, rule: Rule, target_precision: float, default: float, whole: bool = True, seed: int = 0
) -> Threshold:
    """Learns the threshold on the pairs of the validation queries.

    ``promise`` takes the lowest threshold whose precision on new groups is at least ``target_precision`` with 95 %
    confidence. Without a promise ``default`` stands in, or, if val speaks against it, the lowest threshold above it at
    which the target is reached by val's pairs of two known images; if it is nowhere, one above all wrong ones of these.
    ``f1`` takes the best F1. ``precision`` takes the lowest threshold whose precision on val is at least
    ``target_precision``, which new groups miss about every second time, or else the most precise one. The threshold
    lies half-way between the last pair that is accepted and the next one, so that it does not hang on the last digit of
    one pair. It is ``default`` if no validation pair is true and listed: nothing is ever learned on the test groups.

    Args:
        whole: whether the queries were searched for in the whole archive, without which nothing can be promised.
        seed: of the bootstrap behind a promise.
    """
    curve = pairs.curve()
    if not curve.true.any():
        return Threshold(default, "default", reason="there is no validation pair to learn from")
    if rule == "promise":
        return _promised(pairs, target_precision=target_precision, default=default, whole=whole, seed=seed)
    value = float(choose(curve, rule=rule, target_precision=target_precision))
    reading = read(pairs, value)
    kept = None if rule == "f1" else reading.precision is not None and reading.precision >= target_precision
    return Threshold(value, rule, kept, len(pairs.similarity), round(pairs.total), reading)


def _promised(pairs: Pairs, *, target_precision: float, default: float, whole: bool, seed: int) -> Threshold:
    promise, curve = find_promise(pairs, precision=target_precision, whole=whole, seed=seed), pairs.curve()
    if promise.last is not None:
        value = float(_half_way(curve)[np.searchsorted(-curve.similarity, -promise.last)])
    else:
        value = _careful(pairs.known(), target_precision=target_precision, default=default)
    facts = (len(pairs.similarity), round(pairs.total), read(pairs, value), promise.groups, promise.reason)
    return Threshold(value, "promise", promise.last is not None, *facts)


def _careful(known: Pairs, *, target_precision: float, default: float) -> float:
    """Returns the default, or a threshold above it where the known pairs speak against it."""
    precision, curve = read(known, default).precision, known.curve()
    if precision is None or precision >= target_precision:
        return default
    kept = np.flatnonzero((curve.similarity >= default) & (curve.precision >= target_precision))
    return float(_half_way(curve)[kept[-1]]) if len(kept) else _above_all_wrong(known)


def _above_all_wrong(pairs: Pairs) -> float:
    """Returns the threshold half-way between the most similar wrong pair and the right ones above it, if any."""
    highest = pairs.similarity[~pairs.true].max()
    right = pairs.similarity[pairs.similarity > highest]
    return float((highest + right.min()) / 2 if len(right) else np.nextafter(highest, np.inf))


def choose(curve: PairCurve, *, rule: str, target_precision: float) -> Floats:
    """Returns the thresholds (…) of curves (…, m) by rule ``f1`` or ``precision`` of :func:`learn`, NaN where nothing
    true is found.
    """
    if rule == "f1":
        index = curve.f1.argmax(axis=-1)
    else:
        goal = np.minimum(curve.precision.max(axis=-1, keepdims=True), target_precision)
        index = len(curve.similarity) - 1 - (curve.precision >= goal)[..., ::-1].argmax(axis=-1)
    return np.where(curve.true[..., -1] > 0, _half_way(curve)[index], np.nan)


def _half_way(curve: PairCurve) -> Floats:
    """Returns the thresholds (m,) that accept as the curve's do, each half-way down to the next."""
    below = np.r_[curve.similarity[1:], curve.similarity[-1]]
    return (curve.similarity + below) / 2


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
        "target_precision": target_precision if learned.rule in ("precision", "promise") else None,
        "target_kept": learned.kept,
        "confidence": CONFIDENCE if learned.rule == "promise" and learned.kept else None,
        "groups": learned.groups,
        "not_promised": learned.reason or None,
        "learned_on_pairs": learned.pairs,
        "true_pairs": learned.true_pairs,
        **asdict(learned.reading),
    }
