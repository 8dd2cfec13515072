"""Draws a random sample of the pairs that the published groups imply, for a person to judge."""

import numpy as np
import pandas as pd

from cbir.base.errors import UserError


def draw_pairs(groups: pd.DataFrame, *, count: int, seed: int) -> pd.DataFrame:
    """Draws pairs of images at random, each implied pair with the same chance.

    All implied pairs stand in a row, those of a group side by side, the groups in random order; the row is cut into
    ``count`` pieces of equal length, and one pair is drawn from each. So a group gets a second pair only where it holds
    more than one piece, and the number of wrong pairs is a sum of independent draws whose mean chance is the share of
    wrong pairs in all groups. The binomial bound for such a sum is exact or on the safe side (Hoeffding, Annals of
    Mathematical Statistics 27(3), 1956), which it would not be for one pair of each group: that sample knows the
    groups, and not the pairs.

    Args:
        groups: group_id, image_id.
        count: pairs that are drawn; all where there are no more.

    Returns:
        group_id, first, second (image_ids), in random order.

    Raises:
        UserError: no group has two images.
    """
    rng = np.random.default_rng(seed)
    members = {group_id: sorted(images) for group_id, images in groups.groupby("group_id")["image_id"]}
    names = [name for name in rng.permutation(sorted(members)).tolist() if len(members[name]) > 1]
    if not names:
        raise UserError("no group has two different images, so there is no pair to judge")
    sizes = np.array([len(members[name]) for name in names])
    ends = (sizes * (sizes - 1) // 2).cumsum()
    places = rng.permutation(_places(int(ends[-1]), count, rng))
    group = np.searchsorted(ends, places, side="right")
    first, second = _pair(places - np.r_[0, ends][group])
    drawn = [
        (names[g], members[names[g]][a], members[names[g]][b]) for g, a, b in zip(group, first, second, strict=True)
    ]
    return pd.DataFrame(drawn, columns=["group_id", "first", "second"])


def _places(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a place in each of ``count`` equal pieces of a row of pairs; a pair on a border may come twice."""
    if count >= total:
        return np.arange(total)
    return np.minimum(((np.arange(count) + rng.random(count)) * total / count).astype(np.int64), total - 1)


def _pair(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the members a < b of the pair with a number from 0: (0, 1), (0, 2), (1, 2), (0, 3), …"""
    second = ((1 + np.sqrt(1 + 8 * number.astype(float))) / 2).astype(np.int64)
    return number - second * (second - 1) // 2, second
