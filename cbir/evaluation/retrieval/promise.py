"""Chooses a threshold whose precision can be promised: on new groups it holds with a stated confidence.

Learn-then-Test with fixed-sequence testing (Angelopoulos et al., Annals of Applied Statistics 19(2), 2025): thresholds
are tested from strict to lax, each against "its precision is below the promised one", and the walk ends at the first
that fails. So the choice is inside the confidence, and no correction for the number of thresholds is needed.

The unit is the group, for pairs of one group are right or wrong together. Symbols, for a threshold: R_g and W_g are the
right and wrong accepted pairs that touch group g, π is the promised precision, and the loss of a group is

    L_g = π · W_g − (1 − π) · min(R_g, c),

where c is twice the mean number of accepted pairs a group, so that no large group pays for the others. The precision of
new groups is at least π where the expected loss is at most 0.
"""

import math
from dataclasses import dataclass

import numpy as np

from cbir.evaluation.retrieval.metrics import Floats, Ints
from cbir.evaluation.retrieval.pairs import Pairs

CONFIDENCE = 0.95
_STEPS = 120  # thresholds that are tested, at most
_DRAWS = 2000  # of the bootstrap
_ROWS = 250  # draws that are held at once: 40 MB for 20,000 groups
_CAP = 2  # accepted right pairs of a group that count, in means a group


@dataclass(frozen=True)
class Promise:
    """The outcome of the walk.

    Attributes:
        last: similarity of the last pair that is accepted at the laxest threshold with a promise; None where none has.
        groups: validation groups.
        reason: why nothing can be promised, in words that go on after "Nothing can be promised: "; else empty.
    """

    last: float | None
    groups: int
    reason: str = ""


def fewest_groups(precision: float, confidence: float = CONFIDENCE) -> int:
    """Returns how many groups, all of them right, a promise takes: the least n with precision^n ≤ 1 − confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(precision))


def find_promise(pairs: Pairs, *, precision: float, whole: bool, seed: int) -> Promise:
    """Finds the laxest threshold at which the promised precision holds for new groups, with 95 % confidence.

    A pair counts for each group of a query that it touches, so the precision is that of the pairs in which an image of
    a known group stands. The walk starts where half of the groups have an accepted pair, but with no fewer groups than
    a promise takes, and with no more than twice as many.

    Args:
        pairs: of the validation queries; at least one.
        whole: whether they were searched for in the whole archive; among labelled images alone they meet too few
            strangers.
        seed: of the bootstrap.
    """
    groups = len(np.unique(pairs.label[pairs.queries]))
    if precision == 1:
        return Promise(None, groups, "no sample of pairs can show that all of them are right")
    if not whole:
        return Promise(None, groups, "evaluate.gallery is labelled, so the strangers, mistaken most, were not searched")
    fewest = fewest_groups(precision)
    if groups < fewest:
        return Promise(None, groups, _too_few(groups, fewest))
    ends, right, wrong = _counts_by_group(pairs)
    accepted = right + wrong
    enough = (accepted > 0).sum(axis=0) >= min(max(groups / 2, fewest), 2 * fewest)
    enough &= p_values(accepted, np.zeros_like(wrong), precision=precision, seed=seed) <= 1 - CONFIDENCE
    if not enough.any():
        return Promise(None, groups, _too_few(int((accepted > 0).any(axis=1).sum()), fewest))
    start = int(enough.argmax())
    p = p_values(right[:, start:], wrong[:, start:], precision=precision, seed=seed)
    kept = int((p > 1 - CONFIDENCE).argmax()) if (p > 1 - CONFIDENCE).any() else len(p)
    if kept == 0:
        return Promise(None, groups, _too_wrong(int(wrong[:, start].sum()), int(accepted[:, start].sum())))
    return Promise(float(pairs.similarity[ends[start + kept - 1]]), groups)


def p_values(right: Floats, wrong: Floats, *, precision: float, seed: int) -> Floats:
    """Returns for each threshold how easily groups with a lower precision would look as good as these, (T,).

    A Bayesian bootstrap over the groups and an imagined one: all its pairs are wrong, and they are as many as the mean
    group has accepted, or as the worst group has wrong ones, whichever is more. For groups of one pair this is the
    exact binomial p-value (Clopper and Pearson); in general it is the bound of Gaffke (2005; Learned-Miller and Thomas,
    2020), with the weight of the imagined group integrated out.

    Args:
        right, wrong: (G, T), accepted pairs by group and threshold.
    """
    accepted = right + wrong
    mean = accepted.sum(axis=0) / np.maximum((accepted > 0).sum(axis=0), 1)
    loss = precision * wrong - (1 - precision) * np.minimum(right, np.ceil(_CAP * mean))
    imagined = precision * np.maximum(np.maximum(mean, wrong.max(axis=0)), 1)
    rng = np.random.default_rng(seed)
    total = np.zeros(loss.shape[1])
    for _ in range(0, _DRAWS, _ROWS):
        gain = -rng.standard_exponential((_ROWS, len(loss))) @ loss
        total += np.exp(-np.maximum(gain, 0) / imagined).sum(axis=0)
    return total / _DRAWS


def _counts_by_group(pairs: Pairs) -> tuple[Ints, Floats, Floats]:
    """Counts accepted pairs by group at the thresholds of the walk.

    Returns:
        The last accepted pair of each threshold (T,), and right and wrong pairs that touch each group, (G, T).
    """
    ends = _ends(pairs.similarity)
    groups = np.unique(pairs.label[pairs.queries])
    counts = np.zeros((2, len(groups), len(ends)))
    asked = pairs.first_share > 0
    also = (pairs.second_share > 0) & ~(pairs.true & asked)  # a right pair touches one group, and counts once
    for positions, touched in ((pairs.first, asked), (pairs.second, also)):
        rows = np.flatnonzero(touched)
        group = np.searchsorted(groups, pairs.label[positions[rows]])
        np.add.at(counts, ((~pairs.true[rows]).astype(int), group, np.searchsorted(ends, rows)), 1)
    right, wrong = counts.cumsum(axis=2)
    return ends, right, wrong


def _ends(similarity: Floats) -> Ints:
    """Returns the pairs (T,) up to which the thresholds accept: their number grows by a factor; ties go together."""
    last = np.flatnonzero(np.r_[similarity[1:] != similarity[:-1], True])
    steps = np.geomspace(1, len(similarity), _STEPS).round().astype(int) - 1
    return np.unique(last[np.searchsorted(last, steps)])


def _too_few(groups: int, fewest: int) -> str:
    return f"{groups} validation groups are too few, it takes at least {fewest} with every pair right"


def _too_wrong(wrong: int, accepted: int) -> str:
    return (
        f"at the strictest threshold that leaves enough groups to judge by, {wrong} of the {accepted} pairs that touch "
        "validation groups are wrong already"
    )
