"""Compares new images of an archive with it: copies, near-duplicates, doubtful pairs, and groups that changed.

An archive is compared with what it was: a baseline, one row an image of a file, with the group that it was in. Groups
are the same when they share members; their ids stay as the archive grows, but a group can take in another one.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

BASELINE = pa.schema(
    [
        ("path", pa.string()),
        ("page", pa.int32()),
        ("image_id", pa.string()),  # null where the file could not be read
        ("group_id", pa.string()),  # null: in no group
    ]
)
PAIRS = [  # the columns of the table of arrivals
    "file",
    "page",  # from 1
    "accession",
    "finding",  # near-duplicate, possible, exact copy, none, or why it was rejected
    "look",  # whether a person should look
    "probability",
    "other_file",
    "other_page",
    "other_accession",
    "group",  # joins, founds, or nothing
    "group_id",
    "image_id",
    "other_id",
]
CHANGES = ["change", "group_id", "former", "images_before", "images_after"]


@dataclass(frozen=True)
class Arrivals:
    """Holds what has come since a baseline.

    Attributes:
        pairs: ``PAIRS``, one row a new image of a file and another image, or without one; the most probable first.
        groups: ``CHANGES``, one row a group that is other than before; ``former``: ids of what it was, with a space.
        files: how many new images of files there are.
        rejected: how many of them cannot be used.
    """

    pairs: pd.DataFrame
    groups: pd.DataFrame
    files: int
    rejected: int

    def count(self, finding: str) -> int:
        """Counts the new images of files that have this finding."""
        return int(self.pairs.loc[self.pairs["finding"] == finding, ["file", "page"]].drop_duplicates().shape[0])

    @property
    def doubtful(self) -> int:
        """Counts the pairs that need review."""
        return int(self.pairs["look"].sum())


def baseline_of(manifest: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Describes an archive as it is now, to compare with later: the columns of ``BASELINE``."""
    return manifest[["path", "page", "image_id"]].merge(groups[["image_id", "group_id"]], on="image_id", how="left")


def find_arrivals(
    baseline: pd.DataFrame,
    manifest: pd.DataFrame,
    groups: pd.DataFrame,
    matches: pd.DataFrame,
    *,
    threshold: float,
    margin: float,
) -> Arrivals:
    """Compares an archive with a baseline of it.

    Every image that shares a group with a new one is named, whether or not the two were looked at; the probability
    is then that of the pair where it was. A pair wants a look when its probability lies within
    ``margin`` of the threshold, or reaches it though the two are in different groups; a new file with the bytes of one
    that was there brings no new pair to look at.

    Args:
        baseline: as :func:`baseline_of` gives it.
        manifest, groups, matches: of the archive now.
        threshold: probability from which images are put together.
    """
    keys = pd.MultiIndex.from_frame(baseline[["path", "page"]])
    new = manifest[~pd.MultiIndex.from_frame(manifest[["path", "page"]]).isin(keys)]
    usable = manifest[manifest["status"] == "ok"]
    arrived = new[new["status"] == "ok"]
    first = usable.drop_duplicates("image_id").set_index("image_id")
    pairs = _pairs(set(arrived["image_id"]), groups, matches, floor=threshold - margin)
    seen = pairs["image_id"].isin(set(baseline["image_id"].dropna()))  # a copy brings no new question
    pairs["look"] = _wants_look(pairs, threshold=threshold, margin=margin) & ~seen
    related = arrived.merge(pairs, on="image_id")
    related["finding"] = np.where(related["together"], "near-duplicate", "possible")
    related = _with_other(related, first)
    rows = pd.concat([related, _copies(arrived, usable), _rejected(new)], ignore_index=True)
    alone = arrived[~_among(arrived, rows)].assign(finding="none")
    rows = pd.concat([rows, alone], ignore_index=True)
    rows = rows.rename(columns={"path": "file"}).assign(page=rows["page"].astype("int64") + 1)
    of_image = groups.set_index("image_id")["group_id"]
    rows["group_id"] = rows["image_id"].map(of_image)
    known = set(baseline["group_id"].dropna()) | _successors(baseline, groups)
    rows["group"] = rows["group_id"].map(
        lambda group: None if pd.isna(group) else "joins" if group in known else "founds"
    )
    rows["look"] = rows["look"].fillna(False).astype(bool) if "look" in rows else False
    order = ["probability", "file", "page", "other_file"]
    rows = rows.reindex(columns=PAIRS).sort_values(
        order, ascending=[False, True, True, True], ignore_index=True, kind="stable"
    )
    return Arrivals(rows, group_changes(baseline, groups), len(new), int((new["status"] != "ok").sum()))


def _pairs(new: set[str], groups: pd.DataFrame, matches: pd.DataFrame, *, floor: float) -> pd.DataFrame:
    """Pairs a new image with another: image_id, other_id, probability (NaN: not looked at), together (in one group)."""
    near = matches[matches["probability"] >= floor]
    near = near[near["query_id"].isin(new) | near["neighbour_id"].isin(new)]
    near = near.rename(columns={"query_id": "image_id", "neighbour_id": "other_id"})
    both = [near, near.rename(columns={"image_id": "other_id", "other_id": "image_id"})]
    listed = pd.concat(both)[["image_id", "other_id", "probability"]].drop_duplicates(["image_id", "other_id"])
    touched = groups[groups["group_id"].isin(groups.loc[groups["image_id"].isin(new), "group_id"])]
    inside = touched[["image_id", "group_id"]].merge(
        touched[["image_id", "group_id"]].rename(columns={"image_id": "other_id"}), on="group_id"
    )
    inside = inside[inside["image_id"] != inside["other_id"]].drop(columns="group_id").assign(together=True)
    pairs = listed.merge(inside, on=["image_id", "other_id"], how="outer")
    pairs["together"] = pairs["together"].eq(True)
    return pairs[pairs["image_id"].isin(new)].reset_index(drop=True)


def _wants_look(pairs: pd.DataFrame, *, threshold: float, margin: float) -> pd.Series:
    near = (pairs["probability"] - threshold).abs() <= margin
    return near | ((pairs["probability"] >= threshold) & ~pairs["together"])


def _with_other(rows: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """Joins to the rows the first file of each ``other_id``."""
    other = first.loc[rows["other_id"]]
    return rows.assign(
        other_file=other["path"].to_numpy(),
        other_page=other["page"].to_numpy(dtype="int64") + 1,
        other_accession=other["accession"].to_numpy(),
    )


def _copies(arrived: pd.DataFrame, usable: pd.DataFrame) -> pd.DataFrame:
    """Pairs each new file that has the bytes of another with the first such file, which may be new too."""
    files = usable[["image_id", "path", "page", "accession"]]
    others = files.rename(columns={"path": "other_file", "page": "other_page", "accession": "other_accession"})
    copies = arrived.merge(others, on="image_id")
    copies = copies[(copies["path"] != copies["other_file"]) | (copies["page"] != copies["other_page"])]
    copies = copies.drop_duplicates(["path", "page"])
    copies["other_page"] = copies["other_page"].astype("int64") + 1
    return copies.assign(finding="exact copy", probability=1.0, other_id=copies["image_id"], look=False)


def _rejected(new: pd.DataFrame) -> pd.DataFrame:
    refused = new[new["status"] != "ok"]
    words = refused["status"].str.replace("_", " ") + ": " + refused["reason"].fillna("")
    return refused.assign(finding=words, look=False)


def _among(images: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    return pd.MultiIndex.from_frame(images[["path", "page"]]).isin(pd.MultiIndex.from_frame(rows[["path", "page"]]))


def _members(table: pd.DataFrame) -> dict[str, set[str]]:
    members: dict[str, set[str]] = defaultdict(set)
    known = table.dropna(subset=["group_id", "image_id"])
    for group, image in zip(known["group_id"], known["image_id"], strict=True):
        members[group].add(image)
    return members


def _successors(baseline: pd.DataFrame, groups: pd.DataFrame) -> set[str]:
    """Finds the ids of groups now that hold members of a former group."""
    grouped = set(baseline.loc[baseline["group_id"].notna(), "image_id"])
    return set(groups.loc[groups["image_id"].isin(grouped), "group_id"])


def group_changes(baseline: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Finds the groups that are other than in the baseline: the columns of ``CHANGES``.

    new: none of its members was in a group. merged: it holds members of several groups. split: one of several that
    hold members of the same former group. grew, shrank: the same group with more or fewer members. renamed: the same
    members under another id. dissolved: a former group whose members are in none any more.
    """
    before, after = _members(baseline), _members(groups)
    former_of = {image: group for group, images in before.items() for image in images}
    sources = {group: {former_of[image] for image in images if image in former_of} for group, images in after.items()}
    heirs: dict[str, set[str]] = defaultdict(set)
    for group, formers in sources.items():
        for former in formers:
            heirs[former].add(group)
    rows = []
    for group, formers in sources.items():
        count = sum(len(before[former]) for former in formers)
        change = _change(group, after[group], formers, before, heirs)
        if change:
            rows.append((change, group, " ".join(sorted(formers)), count, len(after[group])))
    rows += [("dissolved", group, group, len(before[group]), 0) for group in before if not heirs[group]]
    kinds = ["merged", "split", "new", "grew", "shrank", "renamed", "dissolved"]
    return pd.DataFrame(sorted(rows, key=lambda row: (kinds.index(row[0]), row[1])), columns=CHANGES)


def _change(
    group: str, images: set[str], formers: set[str], before: dict[str, set[str]], heirs: dict[str, set[str]]
) -> str | None:
    if not formers:
        return "new"
    if len(formers) > 1:
        return "merged"
    (former,) = formers
    if len(heirs[former]) > 1:
        return "split"
    if images - before[former]:
        return "grew"
    if before[former] - images:
        return "shrank"
    return None if former == group else "renamed"
