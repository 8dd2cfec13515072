"""Matches an archive: candidates, their verification, the probability of each pair, and the table of it all."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import numpy as np
import pandas as pd
from annotated_types import Ge
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.images.reduced import ReducedImages
from cbir.matching.candidates import implied, propose
from cbir.matching.description import describe
from cbir.matching.doubt import in_doubt
from cbir.matching.evidence import mapped
from cbir.matching.probability import features, log_false_alarms, relations, shipped_model
from cbir.matching.standing import Standing, stand
from cbir.matching.table import SAME_FILE, both_directions
from cbir.matching.verification import Verification

if TYPE_CHECKING:
    from cbir.embedding.files import Embeddings


@dataclass(frozen=True, kw_only=True)
class Matching:
    """The settings of the stage; the names are those of the section ``match`` of params.yaml."""

    features: Annotated[int, Ge(8), "it is a number of local features"]
    neighbours: Annotated[int, Ge(0), "it is a number of candidates"]
    votes: Annotated[int, Ge(0), "it is a number of candidates, 0 for none"]
    implied: Annotated[int, Ge(0), "it is a number of pairs, 0 for none"]
    closer: Annotated[int, Ge(0), "it is a rank among neighbours, 0 for no closer look"]


def match_archive(
    images: pd.DataFrame,
    neighbours: pd.DataFrame,
    embeddings: "Embeddings",
    source: ReducedImages,
    store: Path,
    settings: Matching,
    *,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Returns the rows of :func:`cbir.matching.table.write_matches`.

    Features are computed once an image, and the evidence once a pair: a new image costs its own.

    Args:
        images: image_id, path, page and accession, sorted by image_id, as the embeddings are.
        neighbours: query_id, rank, neighbour_id, similarity.
        source: of the pixels.
        store: folder of the stores.
    """
    described = describe(images, source, store, most=settings.features, progress=progress)
    pairs = propose(
        described,
        neighbours,
        images,
        near=settings.neighbours,
        votes=settings.votes,
        store=store,
        progress=progress,
    )

    verification = Verification(images, described, source, store, progress=progress)

    def judge(pairs: NDArray[np.int64], *, nearest: int) -> pd.DataFrame:
        standing = stand(pairs, neighbours, embeddings.ids, embeddings.vectors)
        return judge_pairs(
            pairs, standing, images, verification, closer=settings.closer > 0, nearest=nearest, count=len(images)
        )

    judged = judge(pairs, nearest=settings.closer)
    more = implied(pairs, judged["probability"].to_numpy(), most=settings.implied)
    if len(more):  # two likely pairs speak for each, however far apart its images are by embedding
        judged = pd.concat([judged, judge(more, nearest=len(images))], ignore_index=True)
    return both_directions(judged)


def weigh(evidence: NDArray[np.void], standing: Standing, *, images: int) -> NDArray[np.float64]:
    """Returns the probability by the model that ships that pairs show the same photograph, (m,)."""
    values = features(evidence, images=images, nearness=standing.nearness, ranks=standing.ranks)
    return shipped_model().probability(values, evidence)


class Verifier(Protocol):
    """Looks at pairs, (m, 2) positions among images, and returns their evidence, (m,) EVIDENCE."""

    def by_features(self, pairs: NDArray[np.int64]) -> NDArray[np.void]: ...
    def by_points(self, pairs: NDArray[np.int64]) -> NDArray[np.void]: ...


def judge_pairs(
    pairs: NDArray[np.int64],
    standing: Standing,
    images: pd.DataFrame,
    verifier: Verifier,
    *,
    closer: bool,
    nearest: int,
    count: int,
) -> pd.DataFrame:
    """Returns one direction of each pair, with its evidence, its probability and its relation.

    Args:
        pairs: (m, 2) positions among the images.
        images: image_id and path by position.
        closer: whether pairs in doubt get a closer look.
        nearest: the last rank, among neighbours, of a pair that deserves it without evidence.
        count: images of the archive.
    """
    evidence = verifier.by_features(pairs)
    if closer:
        weighed = weigh(evidence, standing, images=count)
        rows = in_doubt(weighed, evidence, standing.ranks, nearest=nearest)
        looked = verifier.by_points(pairs[rows])
        better = weigh(looked, standing.of(rows), images=count) > weighed[rows]
        evidence[rows[better]] = looked[better]
    return _judged(pairs, evidence, standing, images, count=count)


def _judged(
    pairs: NDArray[np.int64], evidence: NDArray[np.void], standing: Standing, images: pd.DataFrame, *, count: int
) -> pd.DataFrame:
    same_moment = shipped_model().same_moment(evidence)
    probability = weigh(evidence, standing, images=count)
    false_alarms = log_false_alarms(evidence, images=count)
    ids, paths = (images[name].to_numpy(dtype=object) for name in ("image_id", "path"))
    one_file, seen = paths[pairs[:, 0]] == paths[pairs[:, 1]], mapped(evidence)
    return pd.DataFrame(
        {
            "query_id": ids[pairs[:, 0]],
            "neighbour_id": ids[pairs[:, 1]],
            "similarity": standing.similarity,
            "probability": probability.astype(np.float32),
            "relation": np.where(one_file, SAME_FILE, relations(probability, same_moment, false_alarms)),
            "mirrored": evidence["mirrored"] > 0,
            "inliers": evidence["inliers"].astype(np.int32),
            "overlap_query": evidence["overlap_query"],
            "overlap_neighbour": evidence["overlap_neighbour"],
            "map": [affine if there_is else None for affine, there_is in zip(evidence["map"], seen, strict=True)],
            "tone": np.where(seen, evidence["tone"], np.nan).astype(np.float32),
            "log_nfa": false_alarms.astype(np.float32),
        }
    )
