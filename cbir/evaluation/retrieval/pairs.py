"""Makes pairs of images from the queries' neighbour lists, each once, ranked together by their similarity."""

from dataclasses import dataclass, replace

import numpy as np

from cbir.evaluation.retrieval.metrics import Bools, Floats, PairCurve, pair_curve
from cbir.evaluation.retrieval.ranking import RankedLists, is_looked_at
from cbir.evaluation.retrieval.relevance import Positions, RetrievalTask


@dataclass(frozen=True)
class Pairs:
    """Unordered pairs {query, neighbour}, falling by similarity. In a pair of two queries each query owns a half.

    Shares let a resample weigh pairs: a query drawn w times counts its share of each of its pairs w times, so a pair of
    two queries counts the mean of both. Undisturbed, every pair counts once.

    Attributes:
        first, second: (P,), positions in the task's ids, first < second.
        similarity: (P,), of the lists, the higher one where an approximate index gave both directions different ones.
        true: (P,), whether both have the same label.
        first_share, second_share: (P,), 1, 1/2, or 0 for what is no query.
        queries: (Q,), positions, rising.
        total_share: (Q,), each query's share of all true pairs there are, found or not; their sum is T.
        label: (n,), the group (or class) of every image by position, -1 for a distractor.
    """

    first: Positions
    second: Positions
    similarity: Floats
    true: Bools
    first_share: Floats
    second_share: Floats
    queries: Positions
    total_share: Floats
    label: Positions

    @property
    def total(self) -> float:
        """Number T of true pairs that have a query in them."""
        return float(self.total_share.sum())

    def looked_at(self) -> "Pairs":
        """Returns the pairs that have a score of their own; the others count as not found."""
        return self.chosen(is_looked_at(self.similarity))

    def known(self) -> "Pairs":
        """Returns the pairs of two images with a label: of a stranger nobody knows that it is another photograph."""
        return self.chosen((self.label[self.first] >= 0) & (self.label[self.second] >= 0))

    def chosen(self, rows: Bools) -> "Pairs":
        """Returns some of the pairs (P,); as many true ones are there to be found as before."""
        names = ("first", "second", "similarity", "true", "first_share", "second_share")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def curve(self) -> PairCurve:
        """Counts accepted and true pairs by threshold, every pair once."""
        return pair_curve(self.similarity, self.true, self.total)

    def weight(self, query_weight: Floats) -> Floats:
        """Returns how often each pair counts where each query counts (B, Q) times, (B, P)."""
        first, second = (self._column(positions) for positions in (self.first, self.second))
        return query_weight[:, first] * self.first_share + query_weight[:, second] * self.second_share

    def resampled(self, query_weight: Floats) -> PairCurve:
        """Returns the curves of B resamples, in which each query counts (B, Q) times."""
        return pair_curve(self.similarity, self.true, query_weight @ self.total_share, weight=self.weight(query_weight))

    def shares(self, chosen: Bools) -> Floats:
        """Returns each query's share of the chosen pairs (P,); the shares (Q,) sum to the number of chosen pairs."""
        size = len(self.queries)
        shares = np.zeros(size)
        for positions, share in ((self.first, self.first_share), (self.second, self.second_share)):
            shares += np.bincount(self._column(positions[chosen]), share[chosen], minlength=size)
        return shares

    def _column(self, positions: Positions) -> Positions:
        """Returns each position's column among the queries; any column for what is no query and so has no share."""
        return np.minimum(np.searchsorted(self.queries, positions), max(len(self.queries) - 1, 0))


def neighbour_pairs(task: RetrievalTask, lists: RankedLists) -> Pairs:
    """Returns every pair that stands in a query's list, in either direction or both, once."""
    row, column = np.nonzero(lists.neighbours >= 0)
    query, neighbour = lists.queries[row], lists.neighbours[row, column]
    key = np.minimum(query, neighbour) * len(task.ids) + np.maximum(query, neighbour)
    similarity = lists.similarities[row, column]
    order = np.lexsort((-similarity, key))
    key, similarity = key[order], similarity[order]
    once = np.r_[True, key[1:] != key[:-1]] if len(key) else np.zeros(0, bool)
    key, similarity = key[once], similarity[once]
    order = np.lexsort((key, -similarity))
    first, second = np.divmod(key[order], len(task.ids)) if len(key) else (key, key)
    is_query = np.zeros(len(task.ids), dtype=bool)
    is_query[lists.queries] = True
    owners = is_query[first].astype(float) + is_query[second]
    return Pairs(
        first=first,
        second=second,
        similarity=similarity[order],
        true=(task.label[first] == task.label[second]) & (task.label[first] >= 0),
        first_share=is_query[first] / owners,
        second_share=is_query[second] / owners,
        queries=lists.queries,
        total_share=_total_share(task, lists.queries),
        label=task.label,
    )


def _total_share(task: RetrievalTask, queries: Positions) -> Floats:
    """Returns each query's share of the true pairs: half a pair where the right image is a query too, else one."""
    asked = np.bincount(task.label[queries], minlength=len(task.names))
    both = asked[task.label[queries]] - 1
    return task.relevant(queries) - both / 2
