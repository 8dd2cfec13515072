"""Orders the questions of a run: the next pair to look at, with all that was decided since taken into account."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Links
from cbir.serving.review.findings import Findings
from cbir.serving.review.ledger import Pair, pair_of


class Queue:
    """Holds the questions of a run in their order, the most informative first.

    A question asks about two sets of images that likely pairs hold together. It is settled once decisions say, directly
    or through others, that images of both are the same photograph, or that they are not.
    """

    def __init__(self, findings: Findings) -> None:
        rows = findings.questions
        self.pairs: list[Pair] = list(zip(rows["query_id"], rows["neighbour_id"], strict=True))
        self._place = {pair_of(*pair): place for place, pair in enumerate(self.pairs)}
        self._core_of = findings.core_of
        cores = [self._core(image) for pair in self.pairs for image in pair]
        self._number = {core: number for number, core in enumerate(dict.fromkeys(cores))}
        numbers = np.array([self._number[core] for core in cores], np.int64)
        self._first, self._second = numbers.reshape(-1, 2).T
        self._open: tuple[Links, NDArray[np.bool_]] | None = None  # of the last decisions that were asked about

    def place(self, pair: Pair) -> int | None:
        """Returns where a pair stands, from 0; None where it is no question."""
        return self._place.get(pair_of(*pair))

    def is_open(self, links: Links) -> NDArray[np.bool_]:
        """Tells of each question whether decisions leave it open."""
        if self._open is None or self._open[0] is not links:
            self._open = links, self._find_open(links)
        return self._open[1]

    def _find_open(self, links: Links) -> NDArray[np.bool_]:
        top_of = _joined([self._cores(decision) for decision in links.together])
        outside: dict[str, int] = {}  # sets that no question is about

        def number(core: str) -> int:
            top = top_of.get(core, core)
            known = self._number.get(top)
            return outside.setdefault(top, len(self._number) + len(outside)) if known is None else known

        root = np.arange(len(self._number), dtype=np.int64)
        for core in top_of.keys() & self._number.keys():
            root[self._number[core]] = number(core)
        first, second = root[self._first], root[self._second]
        ends = [sorted(map(number, self._cores(decision))) for decision in links.apart]
        settled = np.isin(_key(np.minimum(first, second), np.maximum(first, second)), [_key(*pair) for pair in ends])
        return np.asarray((first != second) & ~settled)

    def next(self, links: Links, *, after: Pair | None, last: Collection[Pair], busy: Collection[Pair]) -> Pair | None:
        """Returns the open question that follows a pair, round the end to the beginning; None where none is open.

        Args:
            after: None: from the beginning.
            last: pairs that come when no other is left.
            busy: pairs that other people are looking at, which come if nothing else does.
        """
        place = -1 if after is None or (at := self.place(after)) is None else at
        waiting = np.flatnonzero(self.is_open(links))
        round_about = np.concatenate([waiting[waiting > place], waiting[waiting <= place]]).tolist()
        ranks = (
            (pair_of(*self.pairs[at]) in busy, pair_of(*self.pairs[at]) in last, at == place) for at in round_about
        )
        best = None
        for at, rank in zip(round_about, ranks, strict=True):
            if not any(rank):
                return self.pairs[at]
            if best is None or rank < best[0]:
                best = rank, at
        return None if best is None else self.pairs[best[1]]

    def _core(self, image: str) -> str:
        return self._core_of.get(image, image)

    def _cores(self, decision: Decision) -> tuple[str, str]:
        first, second = decision.pair
        return self._core(first), self._core(second)


def _joined(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns for each name in links the one by which all that links lead to are known."""
    parent: dict[str, str] = {}

    def top(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = name = parent[above]
        return name

    for ends in links:
        first, second = map(top, ends)
        parent[max(first, second)] = min(first, second)
    return {name: top(name) for name in parent}


def _key(low: Any, high: Any) -> Any:
    """Makes a number of two below 2³¹."""
    return low * 2**31 + high
