"""Finds out what decisions bind: images that must be together, images that must be apart, and contradictions.

Same photograph binds further than its pair: where A is B and B is C, A is C. A pair that was decided itself wins over
what others imply of it, and of two decisions that contradict each other the later one.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cbir.groups.decisions.journal import BEST, NOTE, RELATIONS, SAME, UNSURE, Decision


@dataclass(frozen=True)
class Contradiction:
    """A decision that cannot be obeyed beside others.

    Attributes:
        left_out: it.
        against: those that stand: a later one of the same pair; or a chain of same photographs between two images, and
            the decision that these two are not.
    """

    left_out: Decision
    against: tuple[Decision, ...]


@dataclass(frozen=True)
class Links:
    """The decisions that bind.

    Attributes:
        together: same photograph; the pairs join nothing that ``apart`` keeps apart.
        apart: same scene, or different.
        contradictions: what is not obeyed, and why; by time.
        best: the first image of each is the best copy of its group; of several in a group the last, by time.
        notes: on the group of their first image, by time.
    """

    together: tuple[Decision, ...] = ()
    apart: tuple[Decision, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    best: tuple[Decision, ...] = ()
    notes: tuple[Decision, ...] = ()


def standing(decisions: Iterable[Decision]) -> list[Decision]:
    """Returns the last word of each person on each subject, by time; unsure takes back what the person said before."""
    last = {(decision.subject, decision.person): decision for decision in _by_time(decisions)}
    return _by_time(decision for decision in last.values() if decision.relation != UNSURE)


def _by_time(decisions: Iterable[Decision]) -> list[Decision]:
    """Sorts by time; of one moment by the order in which they stand."""
    return sorted(decisions, key=lambda decision: decision.moment)


def link(decisions: Iterable[Decision]) -> Links:
    """Returns what decisions bind.

    The last one of several people's decisions on a pair counts. All pairs that must be apart are kept apart; then pairs
    are put together, the latest decisions first, and one that would bring two of those into one is left out.
    """
    by_pair: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    words = standing(decisions)
    for decision in words:
        if decision.relation in RELATIONS:
            by_pair[decision.pair].append(decision)
    overruled = [
        Contradiction(earlier, (said[-1],))
        for said in by_pair.values()
        for earlier in said[:-1]
        if (earlier.relation == SAME) != (said[-1].relation == SAME)
    ]
    binding = [said[-1] for said in by_pair.values()]
    apart = _by_time(decision for decision in binding if decision.relation != SAME)
    knots = _Knots(apart)
    wanted = _by_time(decision for decision in binding if decision.relation == SAME)
    refused = [
        Contradiction(agreeing, against)
        for decision in reversed(wanted)
        if (against := knots.tie(decision))
        for agreeing in by_pair[decision.pair]
        if agreeing.relation == SAME
    ]
    contradictions = sorted(overruled + refused, key=lambda each: (each.left_out.moment, each.left_out.pair))
    best = tuple(decision for decision in words if decision.relation == BEST)
    notes = tuple(decision for decision in words if decision.relation == NOTE and decision.note)
    return Links(tuple(knots.tied), tuple(apart), tuple(contradictions), best, notes)


class _Knots:
    """Keeps the images that are together by decisions, and which must not meet."""

    def __init__(self, apart: Sequence[Decision]) -> None:
        self.tied: list[Decision] = []
        self._members: dict[str, set[str]] = {}
        self._apart: dict[str, dict[str, Decision]] = defaultdict(dict)
        for decision in apart:
            first, second = decision.pair
            self._apart[first][second] = self._apart[second][first] = decision

    def tie(self, decision: Decision) -> tuple[Decision, ...]:
        """Puts the images of a decision together, or returns the decisions that speak against it."""
        first, second = (self._members.setdefault(image, {image}) for image in decision.pair)
        if first is not second and (clash := self._clash(first, second)):
            ends = decision.pair if clash.pair[0] in first else decision.pair[::-1]
            chains = [chain(self.tied, end, image) for end, image in zip(ends, clash.pair, strict=True)]
            return (*chains[0], *chains[1], clash)
        if first is not second:
            larger, smaller = sorted((first, second), key=len, reverse=True)
            larger |= smaller
            self._members.update(dict.fromkeys(smaller, larger))
        self.tied.append(decision)
        return ()

    def _clash(self, first: set[str], second: set[str]) -> Decision | None:
        """Returns the first decision by time that keeps an image of one set apart from one of the other."""
        fewer, more = sorted((first, second), key=len)
        clashes = [
            self._apart[image][other] for image in fewer for other in self._apart.get(image, {}) if other in more
        ]
        return min(clashes, key=lambda decision: (decision.moment, decision.pair), default=None)


def relatives(together: Iterable[Decision], image: str) -> set[str]:
    """Returns the images that decisions put together with an image, and itself."""
    return {*_walk(together, image)}


def chain(together: Iterable[Decision], start: str, end: str) -> list[Decision]:
    """Returns the fewest decisions that lead from an image to another one, in order; none where they are the same image
    or nothing leads there.
    """
    came, way = _walk(together, start), []
    while step := came.get(end):
        end, decision = step
        way.append(decision)
    return way[::-1]


def _walk(together: Iterable[Decision], start: str) -> dict[str, tuple[str, Decision] | None]:
    """Returns for each image that decisions lead to from ``start`` the image and the decision that the way comes by."""
    steps: dict[str, list[tuple[str, Decision]]] = defaultdict(list)
    for decision in together:
        first, second = decision.pair
        steps[first].append((second, decision))
        steps[second].append((first, decision))
    came: dict[str, tuple[str, Decision] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        image = waiting.popleft()
        for other, decision in steps[image]:
            if other not in came:
                came[other] = (image, decision)
                waiting.append(other)
    return came
