"""Chooses the best copy of each group: the whole picture, in fine detail, with the tones that the others have too."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_DECIMALS = 2  # of the score's logarithm: copies that differ by less than 1 % are alike


def best_copies(table: pd.DataFrame, matches: pd.DataFrame, chosen: Sequence[str] = ()) -> NDArray[np.bool_]:
    """Returns for each image of a group whether it is the best copy, one a group.

    It is the one that people have chosen; else the one with the highest product of

    - completeness, squared: the part of another member's picture that this one covers, the median over the others, so
      that a page around one of them, which nobody else has, counts little. Half of the picture so has to be four times
      as fine to be the better copy;
    - resolution: in the part that two members share, how many times as many pixels a side it has as the other, the
      geometric mean over all members. Pixels of what is around the picture do not count;
    - tone: how well its grey values agree with another member's, (1 + correlation) / 2, the mean over the others. A
      negative, a faded or a retouched copy falls behind.

    The others are the members whose pair with this one has a map. An image without any is the best copy only where no
    member has one; of equally good ones that with the most pixels is taken, and of those the first.

    Args:
        table: image_id, cluster, width, height; by cluster, and in a cluster by accession, path and page.
        matches: query_id, neighbour_id, overlap_query, overlap_neighbour, tone; both directions of a pair.
        chosen: image_ids; of several in a cluster the last counts.
    """
    turn = table["image_id"].map({image: place for place, image in enumerate(chosen)}).fillna(-1).to_numpy(np.int64)
    pixels = table["width"].astype("float64") * table["height"].astype("float64")
    scores = _scores(table.assign(pixels=pixels).set_index("image_id"), matches)
    score = table["image_id"].map(scores).fillna(-np.inf).to_numpy()
    order = np.lexsort([np.arange(len(table)), -pixels, -score, -turn])
    best = ~table["cluster"].iloc[order].duplicated()
    return np.asarray(best.sort_index().to_numpy(bool))


def _scores(images: pd.DataFrame, matches: pd.DataFrame) -> pd.Series:
    """Returns the logarithm of the score, rounded, by image_id."""
    cluster, pixels = images["cluster"], images["pixels"]
    mapped = matches[matches["overlap_query"] > 0]
    own, other = mapped["query_id"].map(cluster), mapped["neighbour_id"].map(cluster)
    pairs = mapped[own == other]
    shared = pairs["query_id"].map(pixels).astype("float64") * pairs["overlap_query"]
    of_other = pairs["neighbour_id"].map(pixels).astype("float64") * pairs["overlap_neighbour"]
    facts = pd.DataFrame(
        {
            "query_id": pairs["query_id"],
            "completeness": pairs["overlap_neighbour"].astype("float64"),
            "resolution": (np.log(shared.clip(lower=1)) - np.log(of_other.clip(lower=1))) / 2,
            "tone": (1 + pairs["tone"].astype("float64").fillna(1)) / 2,
        }
    ).groupby("query_id")
    completeness, tone = facts["completeness"].median(), facts["tone"].mean()
    resolution = facts["resolution"].sum() / (facts.size() + 1)  # it is as fine as itself
    score = 2 * np.log(completeness.clip(lower=0.01)) + resolution + np.log(tone.clip(lower=0.01))
    return score.round(_DECIMALS)
