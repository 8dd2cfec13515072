"""What is new in an archive since an earlier time, and what of the archive it is a copy or a near-duplicate of."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from cbir.errors import UserError
from cbir.group_changes import Change, group_changes
from cbir.snapshot import Snapshot, snapshot_of

LARGEST = 500  # images of a group whose pairs are all named; of a larger one those that the neighbour lists hold
_ROUNDING = 1e-6  # similarities are float32
_FILE = ["path", "page", "accession"]


@dataclass(frozen=True)
class Arrivals:
    """What a later time has that an earlier one had not; each page of a file is a file by itself.

    Attributes:
        threshold: cosine from which images are near-duplicates.
        margin: how near to the threshold a similarity must be to want a person's look.
        files: the new files that can be used, by accession, path and page: image_id, path, page (from 0), accession,
            new (False for a copy of an image that was there), group_id (null: in none), role (``joins`` a group that
            was there, ``founds`` one, null).
        pairs: what the images of ``files`` are related to: image_id, other_id, similarity (cosine; NaN where no
            neighbour list has it), together (in one group), fresh (one of the two was not there before). A pair of two
            images that arrived stands there in both directions. The most similar first, image by image.
        known: every file of the images in ``files`` and ``pairs``: image_id, path, page, accession, arrived.
        rejected: new files that cannot be used: path, page, accession, status, reason.
        changes: what became of groups.
        gone: files that were there and are no more.
    """

    threshold: float
    margin: float
    files: pd.DataFrame
    pairs: pd.DataFrame
    known: pd.DataFrame
    rejected: pd.DataFrame
    changes: tuple[Change, ...]
    gone: int

    @property
    def nothing(self) -> bool:
        """Whether all is as it was."""
        return not (len(self.files) or len(self.rejected) or self.changes or self.gone)

    @property
    def near(self) -> pd.DataFrame:
        """The pairs that are near-duplicates: in one group, or as similar as the threshold says."""
        return self.pairs[self.pairs["together"] | self.reaches(self.pairs["similarity"])]

    @property
    def new_pairs(self) -> pd.DataFrame:
        """The near-duplicates with an image that was not there before, each pair once."""
        return self._once(self.near)

    @property
    def look(self) -> pd.DataFrame:
        """Pairs with a new image that want a person's look, each once, the nearest to the threshold first.

        They lie within the margin, or at the threshold and above it without being in one group.
        """
        chosen = self._once(self.pairs[self.wants_look])
        off = (chosen["similarity"] - self.threshold).abs()
        return chosen.loc[off.sort_values(kind="stable").index]

    @property
    def wants_look(self) -> pd.Series:
        """Which of the pairs are in ``look``, in either direction."""
        off = (self.pairs["similarity"] - self.threshold).abs()
        apart = self.reaches(self.pairs["similarity"]) & ~self.pairs["together"]
        return self.pairs["fresh"] & ((off <= self.margin + _ROUNDING) | apart)

    @property
    def copied(self) -> pd.DataFrame:
        """The new files whose bytes are also those of another file."""
        files = self.known["image_id"].value_counts()
        return self.files[self.files["image_id"].map(files) > 1]

    @property
    def alone(self) -> pd.DataFrame:
        """The new files without an exact copy or a near-duplicate."""
        related = self.files["image_id"].isin(self.near["image_id"]) | self.files.index.isin(self.copied.index)
        return self.files[~related]

    def reaches(self, similarity: Any) -> Any:
        """Whether a similarity, or each of many, is the threshold or above it."""
        return similarity >= self.threshold - _ROUNDING

    def _once(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Those of the pairs that hold a new image, each in one direction, which begins with a new one."""
        new = pairs["image_id"].isin(self.files.loc[self.files["new"], "image_id"])
        fresh = pd.concat([pairs[new], pairs[~new & pairs["fresh"]]])
        one, other = (fresh[name].to_numpy(dtype=object) for name in ("image_id", "other_id"))
        swapped = one > other
        keys = pd.DataFrame({"low": np.where(swapped, other, one), "high": np.where(swapped, one, other)})
        return fresh[~keys.duplicated().to_numpy()]


def find_arrivals(
    before: Snapshot,
    manifest: pd.DataFrame,
    groups: pd.DataFrame,
    neighbours: pd.DataFrame,
    *,
    threshold: float,
    margin: float,
) -> Arrivals:
    """Compare an archive with what it was.

    Args:
        before: what it was.
        manifest: as ``cbir.manifest.read_manifest`` gives it.
        groups: group_id and image_id, as ``cbir.grouping.group_images`` gives them.
        neighbours: query_id, neighbour_id, similarity (cosine), at least of the images that arrived, in any order, a
            pair in one direction or both.
        threshold: cosine from which images are near-duplicates.
        margin: cosine; pairs this near to the threshold are given too.
    """
    now = snapshot_of(manifest, groups)
    arrived = _arrived(before, now)
    files = _with_roles(now.files[arrived & now.files["usable"]], before, now)
    pairs = _pairs(files, now.images, neighbours, threshold=threshold, margin=margin)
    mentioned = now.files["usable"] & now.files["image_id"].isin({*files["image_id"], *pairs["other_id"]})
    known = now.files.loc[mentioned, ["image_id", *_FILE]].assign(arrived=arrived[mentioned])
    rejected = manifest.reset_index(drop=True).loc[arrived & ~now.files["usable"], [*_FILE, "status", "reason"]]
    places = pd.MultiIndex.from_frame(before.files[["path", "page"]])
    return Arrivals(
        threshold,
        margin,
        files,
        pairs,
        known.reset_index(drop=True),
        rejected.reset_index(drop=True),
        group_changes(before.images, now.images),
        gone=int((~places.isin(pd.MultiIndex.from_frame(now.files[["path", "page"]]))).sum()),
    )


def arrived_images(before: Snapshot, manifest: pd.DataFrame) -> list[str]:
    """The ids of the images in new files: those whose neighbours ``find_arrivals`` asks for."""
    now = snapshot_of(manifest, pd.DataFrame({"group_id": [], "image_id": []}))
    return now.files.loc[_arrived(before, now) & now.files["usable"], "image_id"].unique().tolist()


def neighbours_of(path: Path, images: Collection[str]) -> pd.DataFrame:
    """The rows of a file of neighbours with one of these images on either side, read a piece at a time.

    Raises:
        UserError: there is no such file.
    """
    if not path.is_file():
        raise UserError(f"{path}, the neighbours, is not there: run the stage index first")
    wanted = pa.array(sorted(images), pa.string())
    either = ds.field("query_id").isin(wanted) | ds.field("neighbour_id").isin(wanted)
    columns = ["query_id", "neighbour_id", "similarity"]
    return ds.dataset(path, format="parquet").to_table(columns=columns, filter=either).to_pandas()


def _arrived(before: Snapshot, now: Snapshot) -> pd.Series:
    """Which files of ``now`` were not there, held another image, or could (not) be used; one that moved is new."""
    keys = [
        pd.MultiIndex.from_frame(of.files[["path", "page", "image_id", "usable"]].fillna({"image_id": ""}))
        for of in (before, now)
    ]
    return pd.Series(~keys[1].isin(keys[0]), index=now.files.index)


def _with_roles(files: pd.DataFrame, before: Snapshot, now: Snapshot) -> pd.DataFrame:
    """New files with whether their image is new, and what it does in its group."""
    table = files[["image_id", *_FILE, "group_id"]].reset_index(drop=True)
    members = now.images[now.images["group_id"].isin(table["group_id"].dropna().unique())]
    known = before.images  # pandas looks for few values in a long column fast, for many in a short one slowly
    known = known[known["image_id"].isin({*table["image_id"], *members["image_id"]})]
    in_groups = known.loc[known["group_id"].notna(), "image_id"]
    old_groups = members.loc[members["image_id"].isin(in_groups), "group_id"].unique()
    table["new"] = ~table["image_id"].isin(known["image_id"])
    role = table["group_id"].isin(old_groups).map({True: "joins", False: "founds"}).astype("str")
    table["role"] = role.where(table["group_id"].notna())
    return table[["image_id", *_FILE, "new", "group_id", "role"]]


def _pairs(
    files: pd.DataFrame, images: pd.DataFrame, neighbours: pd.DataFrame, *, threshold: float, margin: float
) -> pd.DataFrame:
    """The pairs of images that arrived: all of one group, and others that reach the threshold less the margin."""
    arrived = files.drop_duplicates("image_id")["image_id"]
    group_of = images.set_index("image_id")["group_id"]
    both = pd.concat([_directed(neighbours, arrived), _mates(images, arrived)], ignore_index=True)
    pairs = both.groupby(["image_id", "other_id"], sort=False, as_index=False)["similarity"].max()  # NaN gives way
    pairs = pairs[group_of.index.get_indexer(pairs["other_id"]) >= 0]
    of_image, of_other = pairs["image_id"].map(group_of), pairs["other_id"].map(group_of)
    pairs["together"] = (of_image.notna() & (of_image == of_other)).to_numpy(dtype=bool)
    new = files.loc[files["new"], "image_id"]
    pairs["fresh"] = pairs["image_id"].isin(new) | pairs["other_id"].isin(new)
    least = np.where(pairs["fresh"], threshold - margin, threshold) - _ROUNDING
    pairs = pairs[pairs["together"] | (pairs["similarity"] >= least)]
    place = pairs["image_id"].map(pd.Series(range(len(arrived)), index=arrived.to_numpy()))
    order = pairs.assign(place=place).sort_values(["place", "similarity", "other_id"], ascending=[True, False, True])
    return order.drop(columns="place").reset_index(drop=True)


def _directed(neighbours: pd.DataFrame, arrived: pd.Series) -> pd.DataFrame:
    """Neighbours as pairs that begin with an image that arrived, in both directions where both did."""
    sides = {"query_id": "image_id", "neighbour_id": "other_id"}
    there = neighbours[["query_id", "neighbour_id", "similarity"]].rename(columns=sides)
    back = there.rename(columns={"image_id": "other_id", "other_id": "image_id"})
    both = pd.concat([there, back[there.columns]], ignore_index=True)
    both = both.astype({"image_id": "str", "other_id": "str", "similarity": "float64"})
    return both[both["image_id"].isin(arrived) & (both["image_id"] != both["other_id"])]


def _mates(images: pd.DataFrame, arrived: pd.Series) -> pd.DataFrame:
    """The images that arrived beside every other of their group, of a large group beside its first one alone."""
    members = images.dropna(subset=["group_id"])
    large = members["group_id"].map(members["group_id"].value_counts()) > LARGEST
    members = members[~large | (members["image_id"] == members["group_id"])]
    own = images[images["image_id"].isin(arrived)].dropna(subset=["group_id"])
    mates = own.merge(members.rename(columns={"image_id": "other_id"}), on="group_id")
    mates = mates.loc[mates["image_id"] != mates["other_id"], ["image_id", "other_id"]]
    return mates.assign(similarity=np.nan)
