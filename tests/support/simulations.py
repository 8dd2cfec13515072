"""Simulated archives of which the true precision at any threshold is known: groups whose pairs hang together."""

from dataclasses import dataclass

import numpy as np

from cbir.evaluation.retrieval.metrics import Bools, Floats, Ints
from cbir.evaluation.retrieval.pairs import Pairs

LARGE = 200_000  # groups of the draw that gives the truth


@dataclass(frozen=True)
class Kind:
    """A kind of archive.

    Attributes:
        apart: how far right pairs score above wrong ones, in deviations of the wrong ones.
        size: mean number of images that a group has beyond two.
        hubs: shape of the gamma law of the groups' wrong pairs; the smaller, the fewer groups have most of them.
        strangers: wrong pairs of an image in the lists, on average.
    """

    apart: float = 4.0
    size: float = 0.6
    hubs: float = 0.5
    strangers: float = 3.0


@dataclass(frozen=True)
class Drawn:
    """The pairs of drawn groups, in any order.

    Attributes:
        size: (G,), images of each group.
        group: (P,), the group that each pair touches.
        score: (P,).
        true: (P,), whether both images are of the group.
    """

    size: Ints
    group: Ints
    score: Floats
    true: Bools


def draw(kind: Kind, groups: int, rng: np.random.Generator) -> Drawn:
    """Draws groups; the pairs of one are easy or hard together, and its wrong pairs come together."""
    size = 2 + np.minimum(rng.geometric(1 / (1 + kind.size), groups) - 1, 10)
    right = np.repeat(np.arange(groups), size * (size - 1) // 2)
    ease, crowd = rng.normal(0, 0.8, groups), rng.normal(0, 0.3, groups)
    hub = rng.gamma(kind.hubs, 1 / kind.hubs, groups)
    wrong = np.repeat(np.arange(groups), np.minimum(rng.poisson(size * hub * kind.strangers), 30 * size))
    score = [kind.apart + rng.normal(0, 1.3, len(right)) + ease[right], rng.normal(0, 1, len(wrong)) + crowd[wrong]]
    group = np.concatenate([right, wrong])
    return Drawn(size, group, np.concatenate(score), np.arange(len(group)) < len(right))


def as_pairs(drawn: Drawn) -> Pairs:
    """Gives the pairs images: each right pair two of its group, each wrong one an image of its group and a stranger."""
    order = np.argsort(-drawn.score)
    group, true = drawn.group[order], drawn.true[order]
    start = np.cumsum(drawn.size) - drawn.size
    members, strangers = int(drawn.size.sum()), int((~true).sum())
    second = start[group] + 1
    second[~true] = members + np.arange(strangers)
    half = np.where(true, 0.5, 1.0)
    label = np.r_[np.repeat(np.arange(len(drawn.size)), drawn.size), np.full(strangers, -1)]
    share = np.repeat((drawn.size - 1) / 2, drawn.size)
    return Pairs(start[group], second, drawn.score[order], true, half, 1 - half, np.arange(members), share, label)


class Truth:
    """The precision and the recall of all groups of a kind, read from a very large draw."""

    def __init__(self, kind: Kind) -> None:
        drawn = draw(kind, LARGE, np.random.default_rng(1))
        order = np.argsort(-drawn.score)
        self._falling, self._right = -drawn.score[order], drawn.true[order].cumsum()

    def precision(self, threshold: float) -> float:
        accepted = int(np.searchsorted(self._falling, -threshold, side="right"))
        return float(self._right[accepted - 1] / accepted) if accepted else 1.0

    def recall(self, threshold: float) -> float:
        accepted = int(np.searchsorted(self._falling, -threshold, side="right"))
        return float(self._right[accepted - 1] / self._right[-1]) if accepted else 0.0

    def best_recall(self, precision: float) -> float:
        """The recall at the laxest threshold that truly has a precision."""
        truly = self._right / np.arange(1, len(self._right) + 1)
        return float(self._right[np.flatnonzero(truly >= precision)[-1]] / self._right[-1])
