"""Chooses the pairs that show why images are together, and those that a person should look at first."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cbir.groups.decisions.links import Links
from cbir.groups.grouping import FREE
from cbir.matching.table import SAME_FILE

_DOUBT = np.log(4)  # odds up to four times those of the threshold, or down to a quarter, are doubtful
_CERTAIN = 1e-6  # a probability is at least as far from 0 and 1 when its odds are asked for


def member_pairs(groups: pd.DataFrame, matches: pd.DataFrame, *, threshold: float) -> pd.DataFrame:
    """Returns the pairs that show why the members of groups are there.

    Each member has its pair with the best copy, if that was looked at. If it was not, or does not reach the threshold,
    the member's likeliest pair with another one comes behind, if that is likelier.

    Args:
        groups: group_id, image_id, representative.
        matches: as ``cbir.matching.table.read_matches`` gives it.
        threshold: probability from which images are put together.

    Returns:
        The columns of ``matches`` with group_id and direct (whether the neighbour is the best copy), sorted by group_id
        and query_id, the pair with the best copy first. The query is the member.
    """
    group_of, best = groups.set_index("image_id")["group_id"], groups.loc[groups["representative"], "image_id"]
    inside = matches[matches["query_id"].isin(group_of.index) & ~matches["query_id"].isin(best)]
    inside = inside.assign(group_id=inside["query_id"].map(group_of), direct=inside["neighbour_id"].isin(best))
    inside = inside[inside["group_id"] == inside["neighbour_id"].map(group_of)]
    direct = inside[inside["direct"]]
    enough = dict(zip(direct["query_id"], direct["probability"], strict=True))
    others = inside[~inside["direct"]].sort_values(["query_id", "rank"]).drop_duplicates("query_id")
    likelihood = pd.Series([enough.get(image, -1.0) for image in others["query_id"]], others.index, dtype=float)
    others = others[(likelihood < threshold) & (others["probability"] > likelihood)]
    rows = pd.concat([direct, others])
    return rows.sort_values(["group_id", "query_id", "direct"], ascending=[True, True, False], ignore_index=True)


def expected_precision(groups: pd.DataFrame, matches: pd.DataFrame) -> float | None:
    """Returns the mean probability of the pairs in groups that were looked at; None where none was."""
    group_of = groups.set_index("image_id")["group_id"]
    ends = [matches[name].map(group_of) for name in ("query_id", "neighbour_id")]
    inside = matches.loc[(ends[0] == ends[1]).to_numpy(), "probability"]
    return round(float(inside.mean()), 6) if len(inside) else None


def find_doubts(
    groups: pd.DataFrame, matches: pd.DataFrame, accessions: pd.Series, *, threshold: float, links: Links = FREE
) -> pd.DataFrame:
    """Returns the pairs that a person should look at, the most informative first.

    A pair is doubtful where its odds are near those of the threshold, and where it is likely, though its images are in
    different groups. Between two sets of images that likely pairs hold together it asks once, by the likeliest pair:
    the answer settles the others. It asks nothing that people have decided. First come pairs across accessions. Then a
    pair counts by how near it is to the threshold and by how many pairs of images it would put together or take apart.

    Args:
        groups: group_id, image_id.
        matches: as ``cbir.matching.table.read_matches`` gives it.
        accessions: by image_id.
        threshold: probability from which images are put together.
        links: decisions that bind.

    Returns:
        The columns of ``matches`` in one direction, with together (whether the images are in one group), across
        (whether they came in different accessions), group_id and other_group (None: in no group), and part and
        other_part, the numbers of images that the answer joins or parts.
    """
    return find_questions(groups, matches, accessions, threshold=threshold, links=links)[0]


def find_questions(
    groups: pd.DataFrame, matches: pd.DataFrame, accessions: pd.Series, *, threshold: float, links: Links = FREE
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Returns the pairs of :func:`find_doubts`, and for each image that likely pairs or decisions hold together with
    others the least image_id among these: a pair asks about the two sets that its images are in.
    """
    away = _log_odds(matches["probability"]) - _log_odds(pd.Series([threshold]))[0]
    once = (matches["query_id"] < matches["neighbour_id"]) & (matches["relation"] != SAME_FILE)
    pairs = matches.assign(away=away)[once & (away >= -_DOUBT)]
    group_of = dict(zip(groups["image_id"], groups["group_id"], strict=True))
    pairs["group_id"], pairs["other_group"] = _ends(pairs, group_of.get)
    came = _ends(pairs, accessions.to_dict().get)
    pairs = pairs.assign(
        together=pairs["group_id"].notna() & (pairs["group_id"] == pairs["other_group"]), across=came[0] != came[1]
    )
    likely = pairs.loc[pairs["together"] & (pairs["away"] > _DOUBT), ["query_id", "neighbour_id"]]
    core_of = _cores([*likely.itertuples(index=False, name=None), *(decision.pair for decision in links.together)])
    settled = {_question(*decision.pair, core_of) for decision in links.apart}
    pairs = _one_a_question(pairs, core_of, group_of, settled)
    doubt = pairs["away"].abs().where(pairs["together"] | (pairs["away"] < 0), 0.0)
    pairs = pairs.assign(score=np.log2(1.0 + pairs["part"] * pairs["other_part"]) / (1 + doubt))
    order = ["across", "score", "query_id", "neighbour_id"]
    return pairs.sort_values(order, ascending=[False, False, True, True], ignore_index=True), core_of


def _ends(pairs: pd.DataFrame, value_of: Callable[[str], str | None]) -> list[pd.Series]:
    """Looks up a value for the query and for the neighbour of each pair."""
    names = ("query_id", "neighbour_id")
    return [pd.Series([value_of(image) for image in pairs[name]], pairs.index, dtype=object) for name in names]


def _log_odds(probability: pd.Series) -> pd.Series:
    held = probability.astype(np.float64).clip(_CERTAIN, 1 - _CERTAIN)
    return np.log(held / (1 - held))


def _cores(links: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Returns for each image in links the least image_id that links lead to."""
    ids, ends = np.unique(np.array(links, object).ravel(), return_inverse=True)
    first, second = ends.reshape(-1, 2).T
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(len(ids), len(ids)))
    labels = connected_components(graph, directed=False)[1]
    least = dict(zip(labels[::-1].tolist(), ids[::-1], strict=True))
    return {image: least[label] for image, label in zip(ids, labels.tolist(), strict=True)}


def _question(first: str, second: str, core_of: Mapping[str, str]) -> str:
    """Returns what is asked by a pair: the two cores."""
    return " ".join(sorted(core_of.get(image, image) for image in (first, second)))


def _one_a_question(
    pairs: pd.DataFrame, core_of: Mapping[str, str], group_of: Mapping[str, str], settled: Collection[str]
) -> pd.DataFrame:
    """Keeps the likeliest doubtful pair between two cores, and counts the images on its sides.

    The sides are the cores in one group, and the whole groups where these are different.
    """
    first, second = _ends(pairs, lambda image: core_of.get(image, image))
    cores, wholes = Counter(core_of.values()), Counter(group_of.values())
    sizes = [
        [cores.get(core, 1) if together else wholes.get(group, 1)
         for core, group, together in zip(side, pairs[name], pairs["together"], strict=True)]
        for side, name in ((first, "group_id"), (second, "other_group"))
    ]  # fmt: skip
    ends = zip(pairs["query_id"], pairs["neighbour_id"], strict=True)
    question = pd.Series([_question(*pair, core_of) for pair in ends], pairs.index, dtype=str)
    pairs = pairs.assign(part=sizes[0], other_part=sizes[1], question=question)
    asked = (first != second) & ((pairs["away"].abs() <= _DOUBT) | ~pairs["together"]) & ~question.isin(settled)
    likeliest = pairs[asked].sort_values(["probability", "query_id", "neighbour_id"], ascending=[False, True, True])
    return likeliest.drop_duplicates("question").drop(columns="question")
