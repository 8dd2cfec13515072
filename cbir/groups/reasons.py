"""Says of two images what was found, and why they are or are not in one group."""

from collections.abc import Collection
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from cbir.matching.table import SAME_FILE, SAME_PHOTOGRAPH, SAME_SCENE

_FEW = 8  # characters of a group's id; the report finds a group by them
_SURE = ((0.99, "almost surely"), (0.9, "very probably"), (0.7, "probably"), (0.0, "perhaps"))
_UNLIKELY = 0.2  # probability below which nothing speaks for a pair


def explain_pair(
    first: str,
    second: str,
    matches: pd.DataFrame,
    groups: pd.DataFrame,
    names: pd.Series,
    *,
    threshold: float,
    decided: bool | None = None,
    apart: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Returns sentences: what was found about the pair, where its images are, and why.

    Args:
        first, second: image_ids of the archive.
        matches: as ``cbir.matching.table.read_matches`` gives it.
        groups: image_id, group_id.
        names: the file of each image, by image_id.
        threshold: probability from which images are put together.
        decided: whether people put the two together or apart; None where they did not say.
        apart: pairs that people decided to keep apart.
    """
    if first == second:
        return ["Both files hold the same bytes: exact copies are one image."]
    pair = matches[(matches["query_id"] == first) & (matches["neighbour_id"] == second)]
    probability = float(pair["probability"].iloc[0]) if len(pair) else None
    seen = _evidence(pair.iloc[0]) if len(pair) else [_UNSEEN]
    own = groups.set_index("image_id")["group_id"]
    sides = [own.get(image) for image in (first, second)]
    together = sides[0] is not None and sides[0] == sides[1]
    if decided is not None and decided != together:
        return [*seen, f"{_places(groups, sides)} The groups are older than the decision; `cbir run` obeys it."]
    if together:
        members = groups.loc[groups["group_id"] == sides[0], "image_id"]
        if decided:
            return [*seen, f"They are in one group of {len(members)} images, by decision."]
        return [*seen, *_together(first, second, matches, members, names, probability, threshold)]
    if decided is False:
        return [*seen, _places(groups, sides)]
    return [*seen, *_apart(first, second, matches, groups, sides, names, apart, probability, threshold)]


def _places(groups: pd.DataFrame, sides: list[str | None]) -> str:
    """Says in which groups two images are that are in no common one, or that they are in one."""
    sizes = groups["group_id"].value_counts()
    if sides[0] is not None and sides[0] == sides[1]:
        return f"They are in one group of {sizes[sides[0]]} images."
    places = ["in no group" if side is None else f"in group {side[:_FEW]} of {sizes[side]} images" for side in sides]
    return f"They are not together: the first is {places[0]}, the second {places[1]}."


_UNSEEN = (
    "The pair was not looked at: neither image is among the nearest of the other or gets its votes, and no likely "
    "pairs imply it."
)


def verdict(pair: Any) -> str:
    """Says in a few words what two images are to each other, and how sure that is."""
    if pair["relation"] == SAME_FILE:
        return "Pages of one file"
    if pair["relation"] == SAME_SCENE:
        return "Another shot of the scene, it seems"
    if pair["relation"] == SAME_PHOTOGRAPH:
        how_sure = next(words for least, words in _SURE if pair["probability"] >= least)
        return f"The same photograph{', mirrored' if pair['mirrored'] else ''}, {how_sure}"
    doubtful = pair["probability"] >= _UNLIKELY
    return "Perhaps not the same photograph" if doubtful else "This pair alone does not show the same photograph"


def _evidence(pair: Any) -> list[str]:
    likely = (
        f"Looked at: probability {pair['probability']:.3f} that both show the same photograph ({pair['relation']}); "
        f"cosine of the embeddings {pair['similarity']:.3f}."
    )
    return [likely, geometry_in_words(pair)]


def geometry_in_words(pair: Any) -> str:
    """Says what the local features of two images agree on, or their tones; a pair is a row of the table of matches."""
    if pair["map"] is None:
        return "No local features agree on one geometry."
    how = "if one is mirrored" if pair["mirrored"] else "as they are"
    tone = "" if pd.isna(pair["tone"]) else f" and the grey values there correlate at {pair['tone']:.2f}"
    by = f"{pair['inliers']} local features agree" if pair["inliers"] else "Tones alone, not single features, agree"
    return (
        f"{by} on one geometry, {how}: it covers {pair['overlap_query']:.0%} of the "
        f"first picture and {pair['overlap_neighbour']:.0%} of the second{tone}. Chance would let about "
        f"10^{pair['log_nfa']:.0f} pairs of this archive agree as well."
    )


def _together(
    first: str,
    second: str,
    matches: pd.DataFrame,
    members: pd.Series,
    names: pd.Series,
    probability: float | None,
    threshold: float,
) -> list[str]:
    group = f"They are in one group of {len(members)} images"
    if probability is not None and probability >= threshold:
        return [f"{group}: their pair reaches the threshold of {threshold:.3f}."]
    inside = matches[matches["neighbour_id"].isin(members)]
    ways = [inside[inside["query_id"] == image].set_index("neighbour_id")["probability"] for image in (first, second)]
    both = pd.concat(ways, axis=1, join="inner").min(axis=1)
    if both.empty:
        return [f"{group} through several others, whose pairs reach the threshold of {threshold:.3f} on the whole."]
    through = both.idxmax()
    return [
        f"{group} through others, most of all {names[through]}: probability {ways[0][through]:.3f} with the first, "
        f"{ways[1][through]:.3f} with the second."
    ]


def _apart(
    first: str,
    second: str,
    matches: pd.DataFrame,
    groups: pd.DataFrame,
    sides: list[str | None],
    names: pd.Series,
    apart: Collection[tuple[str, str]],
    probability: float | None,
    threshold: float,
) -> list[str]:
    where = _places(groups, sides)
    if probability is None or probability < threshold:
        reason = "was not looked at" if probability is None else "does not reach it"
        return [where, f"Images are put together from a probability of {threshold:.3f}; their pair {reason}."]
    own = [
        {image} if side is None else set(groups.loc[groups["group_id"] == side, "image_id"])
        for image, side in zip((first, second), sides, strict=True)
    ]
    between = matches[matches["query_id"].isin(own[0]) & matches["neighbour_id"].isin(own[1])]
    if barrier := _barrier(between, own, names, apart):
        return [where, barrier]
    mean = float(np.mean(between["probability"]))
    return [
        where,
        f"Their own pair reaches the threshold of {threshold:.3f}, but the pairs around them speak against it: of "
        f"{len(own[0]) * len(own[1])} pairs between the two sides {len(between)} were looked at, whose mean "
        f"probability is {mean:.3f}.",
    ]


def _barrier(between: pd.DataFrame, own: list[set[str]], names: pd.Series, apart: Collection[tuple[str, str]]) -> str:
    """Says which pair between two sides keeps them apart; empty where none does."""
    kept = {frozenset(pair) for pair in apart}
    decided = (pair for pair in product(sorted(own[0]), sorted(own[1])) if frozenset(pair) in kept)
    scenes = between[between["relation"] == SAME_SCENE]
    called = zip(scenes["query_id"], scenes["neighbour_id"], strict=True)
    for pairs, why in ((decided, "people decided"), (called, "they are shots of one scene")):
        for first, second in pairs:
            return (
                f"No group may hold {names.get(first, first)} and {names.get(second, second)}, one of each side: {why}."
            )
    return ""
