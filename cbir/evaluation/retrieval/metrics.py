"""Retrieval metrics as pure functions of ranked neighbour lists, and of pairs ranked together.

Symbols, one query: its neighbour list is ranked from 1, h_r is 1 where the neighbour at rank r is right and else 0, k
is the number of first ranks that are looked at, R (at least 1) is how many right images the gallery has, without
the query. A list that is shorter than k counts as filled up with wrong neighbours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

CUTOFFS = (1, 5, 10)


def hit_rate(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns 1 where any of the first k neighbours is right, else 0: max(h_1 … h_k). Often published as "recall@k".

    Args:
        hits: (Q, L), h_r of each query.
        relevant: (Q,), R of each query.
        k: how many of the first neighbours count.

    Returns:
        (Q,), one value a query; so do the functions below.
    """
    return _hits_within(hits, k).astype(bool).astype(float)


def recall(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns the part of the right images that is among the first k: (h_1 + … + h_k) / R."""
    return _hits_within(hits, k) / relevant


def precision(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns the part of the first k that is right: (h_1 + … + h_k) / k. Cannot reach 1 where R < k."""
    return _hits_within(hits, k) / k


def f1(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns the harmonic mean of the query's precision@k and recall@k, 2·(h_1 + … + h_k) / (k + R)."""
    return 2 * _hits_within(hits, k) / (k + relevant)


def average_precision(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns the average precision over the first k: Σ_{r ≤ k} h_r · P_r / min(k, R), with P_r = (h_1 + … + h_r) / r.

    1 for a list that has nothing but right images first, whatever R is.
    """
    return _precision_sum(hits, k) / np.minimum(k, relevant)


def average_precision_by_relevant(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns the average precision over the first k, divided by all: Σ_{r ≤ k} h_r · P_r / R. Cannot reach 1 where R >
    k.
    """
    return _precision_sum(hits, k) / relevant


def ndcg(hits: Bools, relevant: Ints, k: int) -> Floats:
    """Returns the normalised discounted cumulative gain: Σ_{r ≤ k} h_r / log2(r + 1), over the same sum of the best
    list.

    The best list has min(k, R) right images first. Source: Järvelin and Kekäläinen, ACM TOIS 20(4), 2002.
    """
    first = hits[:, :k]
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(discount)[np.minimum(k, relevant) - 1]
    return (first * discount[: first.shape[1]]).sum(axis=1) / best


def reciprocal_rank(hits: Bools) -> Floats:
    """Returns 1 / the rank of the first right neighbour, 0 where the list (Q, L) has none."""
    rank = first_rank(hits)
    return np.divide(1.0, rank, out=np.zeros(len(rank)), where=rank > 0)


def first_rank(hits: Bools) -> Ints:
    """Returns the rank from 1 of the first right neighbour, 0 where the list (Q, L) has none."""
    if not hits.shape[1]:
        return np.zeros(len(hits), dtype=np.int64)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def per_query(hits: Bools, relevant: Ints) -> dict[str, Floats]:
    """Returns every ranked metric by its name in metrics.json, (Q,) each; a metric of the archive is the mean over
    queries.

    ``map@k`` and ``mrr`` keep the names of the means. ``top1`` and ``top5`` are the names that classification uses for
    a right image among the first one and five: they equal ``hit_rate@1`` and ``hit_rate@5``.

    Args:
        hits: (Q, L), true where the neighbour at that rank is right.
        relevant: (Q,), right images in the gallery, at least 1.
    """
    at_k = {
        "hit_rate": hit_rate,
        "recall": recall,
        "precision": precision,
        "f1": f1,
        "map": average_precision,
        "ndcg": ndcg,
    }
    values = {f"{name}@{k}": metric(hits, relevant, k) for name, metric in at_k.items() for k in CUTOFFS}
    values |= {f"map@{k}_by_relevant": average_precision_by_relevant(hits, relevant, k) for k in CUTOFFS}
    values |= {"mrr": reciprocal_rank(hits), "top1": hit_rate(hits, relevant, 1), "top5": hit_rate(hits, relevant, 5)}
    return values


@dataclass(frozen=True)
class PairCurve:
    """The numbers of accepted and of true pairs as the threshold sinks from pair to pair.

    Pairs of equal similarity are accepted together, so the order in which they came does not matter.

    Attributes:
        similarity: (m,), the distinct similarities, falling; a threshold t accepts what is at least t.
        true: (…, m), true pairs accepted at that threshold. Leading axes: one row a resample.
        accepted: (…, m), pairs accepted at that threshold.
        total: (…), T: all true pairs there are, found or not.
    """

    similarity: Floats
    true: Floats
    accepted: Floats
    total: Floats

    @property
    def precision(self) -> Floats:
        """Precision: true / accepted, 0 where nothing is accepted (in a resample without those pairs only)."""
        return _ratio(self.true, self.accepted)

    @property
    def recall(self) -> Floats:
        """Recall: true / T; a true pair that is in no list is missed at every threshold."""
        return _ratio(self.true, self.total[..., None])

    @property
    def f1(self) -> Floats:
        """F1: 2·true / (accepted + T)."""
        return _ratio(2 * self.true, self.accepted + self.total[..., None])


def pair_curve(similarity: Floats, true: Bools, total: Floats | float, *, weight: Floats | None = None) -> PairCurve:
    """Returns the curve of P pairs, each unordered and once.

    Args:
        similarity: (P,), falling.
        true: (P,), whether both images belong together.
        total: () or (B,), all true pairs there are.
        weight: (P,) or (B, P), how often a pair counts, a row for each of B resamples; once if not given.
    """
    weight = np.ones(len(similarity)) if weight is None else weight
    last = np.flatnonzero(np.r_[similarity[1:] != similarity[:-1], True]) if len(similarity) else np.zeros(0, np.int64)
    accepted = np.cumsum(weight, axis=-1)[..., last]
    true_accepted = np.cumsum(weight * true, axis=-1)[..., last]
    return PairCurve(np.asarray(similarity, float)[last], true_accepted, accepted, np.asarray(total, float))


def micro_ap(curve: PairCurve) -> Floats:
    """Returns the average precision of all pairs ranked together: Σ_i (recall_i − recall_{i−1}) · precision_i over
    thresholds i.

    Also written µAP; 0 where there is no true pair. Source: Perronnin, Liu and Renders, CVPR 2009.
    """
    gained = np.diff(curve.true, axis=-1, prepend=0.0)
    return _ratio((gained * curve.precision).sum(axis=-1), curve.total)


def recall_at_precision(curve: PairCurve, precision: float) -> Floats:
    """Returns the highest recall of any threshold that has at least this precision, 0 where none has."""
    if not curve.similarity.size:
        return np.zeros(curve.total.shape)
    return np.where(curve.precision >= precision, curve.recall, 0.0).max(axis=-1)


def _hits_within(hits: Bools, k: int) -> Ints:
    return hits[:, :k].sum(axis=1)


def _precision_sum(hits: Bools, k: int) -> Floats:
    first = hits[:, :k]
    ranks = np.arange(1, first.shape[1] + 1)
    return (first * np.cumsum(first, axis=1) / ranks).sum(axis=1)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=np.asarray(below) > 0)
