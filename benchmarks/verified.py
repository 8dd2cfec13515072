"""Ranks reprints as the stage match does: candidates by embedding and by votes, geometry, probability. Each ingredient
can be left out.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.searches import Embedded, Pixels, Search
from cbir.matching.archive import weigh
from cbir.matching.doubt import in_doubt
from cbir.matching.evidence import EVIDENCE, Picture, gather
from cbir.matching.learned.evidence import gather_learned
from cbir.matching.learned.points import Points, find_points
from cbir.matching.local.cores import on_each_core
from cbir.matching.local.features import Features, extract
from cbir.matching.local.voting import LocalIndex
from cbir.matching.standing import Standing, stand

FEATURES, NEAR, VOTES, VOTING, LISTED, CLOSER = 500, 10, 6, 300, 30, 2  # as params.yaml and the stage have them
_NOT_SEEN: Final = -1000.0  # the score of a pair that was not looked at, below that of any other
_TIE: Final = 1e-6  # of the cosine, which tells pairs of one probability apart, as in the table of matches

Pairs = NDArray[np.int64]  # (m, 2): position of a query, position in the gallery


@dataclass(frozen=True)
class Seen:
    """The pairs of a search that were looked at.

    Attributes:
        pairs: (m, 2), of query and gallery.
        near, by_votes: (m,) whether embeddings proposed the pair, and whether local features did.
        evidence: (m,) EVIDENCE.
        probability: (m,) that both show the same photograph.
        closer: (m,) the same, after a closer look at those in doubt.
    """

    pairs: Pairs
    near: NDArray[np.bool_]
    by_votes: NDArray[np.bool_]
    evidence: NDArray[np.void]
    probability: NDArray[np.float64]
    closer: NDArray[np.float64]


class Verifier:
    """Looks at the candidates of searches, each pair once, whichever row of the benchmark asks.

    Args:
        embedded: the vectors of the candidates by embedding.
    """

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._features: dict[int, Features] = {}  # by the identity of an image, which the searches hold
        self._indexes: dict[int, LocalIndex] = {}  # by that of a gallery
        self._seen: dict[int, Seen] = {}  # by that of a search

    def by_geometry(self, search: Search, *, votes: bool) -> NDArray[np.float64]:
        """Ranks by how unlikely chance is to let as many features agree; what was not looked at, by cosine."""
        seen = self._look(search)
        return self._scores(search, seen, -seen.evidence["log_nfa"].astype(float), votes=votes)

    def by_probability(self, search: Search, *, closer: bool) -> NDArray[np.float64]:
        """Ranks by the probability that ships, with or without a closer look at pairs in doubt."""
        seen = self._look(search)
        return self._scores(search, seen, seen.closer if closer else seen.probability, votes=True)

    def _scores(self, search: Search, seen: Seen, values: NDArray[np.float64], *, votes: bool) -> NDArray[np.float64]:
        cosines = self._embedded.cosines(search)
        scores = cosines + _NOT_SEEN
        kept = seen.near | (seen.by_votes & votes)
        at = tuple(seen.pairs[kept].T)
        scores[at] = values[kept] + _TIE * cosines[at]
        return scores

    def _look(self, search: Search) -> Seen:
        if id(search) not in self._seen:
            self._seen[id(search)] = self._looked(search)
        return self._seen[id(search)]

    def _looked(self, search: Search) -> Seen:
        self._describe([*search.queries, *search.gallery])
        cosines = np.where(search.itself, -2, self._embedded.cosines(search))
        near = np.zeros(cosines.shape, bool)
        np.put_along_axis(near, np.argsort(-cosines, axis=1, kind="stable")[:, :NEAR], values=True, axis=1)
        voted = np.zeros(cosines.shape, bool)
        for query, others in enumerate(self._votes(search)):
            voted[query, others] = True
        pairs = np.argwhere((near | voted) & ~search.itself)
        evidence = np.array(list(on_each_core(lambda pair: self._gather(search, *pair), pairs)), EVIDENCE)
        standing, images = self._stand(search, pairs)
        probability, at = weigh(evidence, standing, images=images), tuple(pairs.T)
        rows, after = in_doubt(probability, evidence, standing.ranks, nearest=CLOSER), probability.copy()
        learned = np.array([self._gather_learned(search, *pair) for pair in pairs[rows]], EVIDENCE)
        after[rows] = np.maximum(probability[rows], weigh(learned, standing.of(rows), images=images))
        return Seen(pairs, near[at], voted[at], evidence, probability, after)

    def _describe(self, images: list[Pixels]) -> None:
        new = list({id(image): image for image in images if id(image) not in self._features}.values())
        made = on_each_core(lambda image: extract(image, most=FEATURES), new)
        self._features.update(zip(map(id, new), made, strict=True))

    def _votes(self, search: Search) -> list[list[int]]:
        gallery = [self._features[id(image)] for image in search.gallery]
        if id(search.gallery) not in self._indexes:
            self._indexes[id(search.gallery)] = LocalIndex()
            self._indexes[id(search.gallery)].add(image.first(VOTING) for image in gallery)
        index = self._indexes[id(search.gallery)]

        def vote(query: int) -> list[int]:
            itself = int(search.itself[query].argmax()) if search.itself[query].any() else -1
            own = self._features[id(search.queries[query])].first(VOTING)
            return [at for side in (own, own.mirrored) for at in index.candidates(side, most=VOTES, but=itself)]

        return list(on_each_core(vote, range(len(search.queries))))

    def _gather(self, search: Search, query: int, other: int) -> NDArray[np.void]:
        return gather(*self._pictures(search, query, other))

    def _gather_learned(self, search: Search, query: int, other: int) -> NDArray[np.void]:
        first, second = self._pictures(search, query, other)
        return gather_learned(first, second, partial(self._points, first), self._points(second, mirrored=False))

    def _pictures(self, search: Search, query: int, other: int) -> tuple[Picture, Picture]:
        first, second = search.queries[query], search.gallery[other]
        return Picture(self._features[id(first)], lambda: first), Picture(self._features[id(second)], lambda: second)

    @staticmethod
    def _points(picture: Picture, *, mirrored: bool) -> Points:
        return find_points(picture.pixels(), picture.features.pitch, mirrored=mirrored)

    def _stand(self, search: Search, pairs: Pairs) -> tuple[Standing, int]:
        """Returns how pairs stand in the archive of the gallery and the queries, and its number of images."""
        vectors = self._embedded.vectors(search.gallery)
        places = search.itself.argmax(axis=1)
        if not search.itself.any():
            places = len(vectors) + np.arange(len(search.queries))
            vectors = np.concatenate([vectors, self._embedded.vectors(search.queries)])
        ids = np.array([f"{at:06d}" for at in range(len(vectors))], object)
        placed = np.stack([places[pairs[:, 0]], pairs[:, 1]], axis=1)
        return stand(placed, _neighbours(vectors, ids), ids, vectors), len(ids)


def _neighbours(vectors: NDArray[np.float32], ids: NDArray[np.object_]) -> pd.DataFrame:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :LISTED]
    ranks = np.tile(np.arange(1, order.shape[1] + 1), len(ids))
    similarity = np.take_along_axis(cosines, order, axis=1).ravel()
    queries = np.repeat(ids, order.shape[1])
    return pd.DataFrame(
        {"query_id": queries, "rank": ranks, "neighbour_id": ids[order.ravel()], "similarity": similarity}
    )
