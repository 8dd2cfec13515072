"""Lays out groups and pairs as tables for other programs: files by their paths in the archive."""

import pandas as pd

GROUPS = ["group_id", "file", "page", "accession", "representative", "similarity", "evidence"]
PAIRS = ["file", "page", "other_file", "other_page", "probability", "similarity", "relation", "mirrored", "group_id"]


def group_rows(groups: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each file and page of a group, exact copies too; columns as in ``GROUPS``."""
    files = manifest.dropna(subset=["image_id"]).rename(columns={"path": "file"})
    rows = groups.merge(files[["image_id", "file", "page", "accession"]], on="image_id")
    return rows.sort_values(["group_id", "file", "page"], ignore_index=True)[GROUPS]


def pair_rows(matches: pd.DataFrame, manifest: pd.DataFrame, groups: pd.DataFrame, *, threshold: float) -> pd.DataFrame:
    """Returns a row for each pair of images, once, the most probable first; columns as in ``PAIRS``.

    Args:
        threshold: least probability of a pair.

    An image is named by its first file. ``group_id`` is that of both, or empty where they are not in one group.
    """
    once = matches[(matches["query_id"] < matches["neighbour_id"]) & (matches["probability"] >= threshold)]
    names = manifest.dropna(subset=["image_id"]).drop_duplicates("image_id").set_index("image_id")
    group = groups.set_index("image_id")["group_id"]
    mine, other = once["query_id"].map(group), once["neighbour_id"].map(group)
    rows = once.assign(
        file=once["query_id"].map(names["path"]),
        page=once["query_id"].map(names["page"]),
        other_file=once["neighbour_id"].map(names["path"]),
        other_page=once["neighbour_id"].map(names["page"]),
        group_id=mine.where(mine == other),
    )
    return rows.sort_values(["probability", "file", "other_file"], ascending=[False, True, True])[PAIRS]
