"""What the page of the arrivals shows: cards of images and pairs, in order, within what a browser opens quickly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from cbir.arrivals import Arrivals

MOST_PAIRS = 200  # that want a look, each with two large pictures
MOST_MEMBERS = 5000  # pictures in the groups
MOST_COPIES = 1000
MOST_ALONE = 2000
MOST_IN_GROUP = 12  # pictures of one group; the names of its other images stand below


@dataclass(frozen=True)
class File:
    """A file that holds an image; ``page`` from 1, ``arrived`` where it is new."""

    path: str
    page: int
    accession: str
    arrived: bool


@dataclass(frozen=True)
class Image:
    """An image on the page: its files, those that arrived last; ``new`` where it was not there before."""

    image_id: str
    files: tuple[File, ...]
    new: bool
    caption: str | None

    @property
    def first(self) -> File:
        return self.files[0]


@dataclass(frozen=True)
class Pair:
    """A new image beside another one that it is about as similar to as the threshold."""

    image: Image
    other: Image
    similarity: float
    together: bool


@dataclass(frozen=True)
class Member:
    """An image of a group; ``related`` only of a new one: number (from 1) and similarity (or None) of each other."""

    image: Image
    related: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True)
class Group:
    """A group that new images joined or founded: its first images, the new ones first, and the files of the rest."""

    group_id: str
    role: str
    size: int
    members: tuple[Member, ...]
    more: tuple[File, ...]

    @property
    def new(self) -> int:
        """How many of the pictures are of new images."""
        return sum(member.image.new for member in self.members)


@dataclass(frozen=True)
class Copied:
    """An image that a new file holds as another file does; its group where it has one."""

    image: Image
    group_id: str | None


@dataclass(frozen=True)
class Layout:
    """The parts of the page, each cut at what it may hold."""

    look: tuple[Pair, ...]
    groups: tuple[Group, ...]
    copies: tuple[Copied, ...]
    alone: tuple[Image, ...]
    all_groups: int
    all_copies: int
    all_alone: int
    looked_at: frozenset[str]  # images of pairs that want a look, also of those that are not shown

    @cached_property
    def images(self) -> list[Image]:
        """Every image that is pictured, each once."""
        shown = [image for pair in self.look for image in (pair.image, pair.other)]
        shown += [member.image for group in self.groups for member in group.members]
        shown += [copied.image for copied in self.copies]
        return list({image.image_id: image for image in [*shown, *self.alone]}.values())

    @property
    def pictures(self) -> int:
        """How many pictures the page holds; an image that is in several parts counts in each."""
        members = sum(len(group.members) for group in self.groups)
        return 2 * len(self.look) + members + len(self.copies) + len(self.alone)


def lay_out(found: Arrivals, captions: Mapping[str, str]) -> Layout:
    """Arrange what arrived.

    Args:
        captions: by image_id, of those that have one.
    """
    images = _images(found, captions)
    look = found.look
    shown = look.head(MOST_PAIRS).itertuples()
    groups = _groups(found, images)
    copied = found.copied.drop_duplicates("image_id")
    group_of = copied["group_id"].astype(object).where(copied["group_id"].notna(), None)
    copies = [Copied(images[one], group) for one, group in zip(copied["image_id"], group_of, strict=True)]
    alone = [images[one] for one in found.alone["image_id"].unique()]
    return Layout(
        look=tuple(Pair(images[p.image_id], images[p.other_id], p.similarity, bool(p.together)) for p in shown),
        groups=tuple(_cut(groups)),
        copies=tuple(copies[:MOST_COPIES]),
        alone=tuple(alone[:MOST_ALONE]),
        all_groups=len(groups),
        all_copies=len(copies),
        all_alone=len(alone),
        looked_at=frozenset([*look["image_id"], *look["other_id"]]),
    )


def _images(found: Arrivals, captions: Mapping[str, str]) -> dict[str, Image]:
    new = set(found.files.loc[found.files["new"], "image_id"])
    files: dict[str, list[File]] = {}
    for row in found.known.itertuples():
        file = File(row.path, int(row.page) + 1, row.accession, bool(row.arrived))
        files.setdefault(row.image_id, []).append(file)
    return {
        one: Image(one, tuple(sorted(some, key=lambda file: file.arrived)), one in new, captions.get(one))
        for one, some in files.items()
    }


def _groups(found: Arrivals, images: Mapping[str, Image]) -> list[Group]:
    """The groups of new images that have other images, those that were there before the founded ones."""
    pairs = found.pairs[found.pairs["together"]]
    new = found.files[found.files["new"] & found.files["image_id"].isin(pairs["image_id"])]
    related = dict(iter(pairs.groupby("image_id", sort=False)[["other_id", "similarity"]]))
    groups = [
        _group(str(group_id), some["role"].iloc[0], list(dict.fromkeys(some["image_id"])), related, images)
        for group_id, some in new.groupby("group_id", sort=False)
    ]
    return sorted(groups, key=lambda group: group.role != "joins")


def _group(
    group_id: str, role: str, new: Sequence[str], related: Mapping[str, pd.DataFrame], images: Mapping[str, Image]
) -> Group:
    """A group by its new images, and the others in the order in which they are similar to those."""
    others = [one for image in new for one in related[image]["other_id"]]
    members = list(dict.fromkeys([*new, *others]))
    shown = {image: number for number, image in enumerate(members[:MOST_IN_GROUP], start=1)}
    pictured = tuple(
        Member(images[one], _similarities(related[one], shown) if images[one].new else ()) for one in shown
    )
    rest = tuple(images[one].first for one in members[MOST_IN_GROUP:])
    return Group(group_id, role, len(members), pictured, rest)


def _similarities(related: pd.DataFrame, shown: Mapping[str, int]) -> tuple[tuple[int, float | None], ...]:
    pairs = zip(related["other_id"], related["similarity"], strict=True)
    return tuple((shown[one], None if math.isnan(value) else value) for one, value in pairs if one in shown)


def _cut(groups: Sequence[Group]) -> list[Group]:
    """The first groups, as many as the page has pictures for."""
    kept, pictures = [], 0
    for group in groups:
        pictures += len(group.members)
        if pictures > MOST_MEMBERS:
            break
        kept.append(group)
    return kept
