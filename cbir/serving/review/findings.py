"""Holds what the last run has found, read whole from its files, for the pages on which people decide."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cbir.archive.manifest import SCHEMA as MANIFEST
from cbir.archive.manifest import in_order
from cbir.base.files import read_table
from cbir.groups.circulation import by_image, shared_sources
from cbir.groups.evidence.pages import describe_images
from cbir.groups.evidence.pairs import find_questions
from cbir.groups.table import SCHEMA as GROUPS
from cbir.groups.threshold import threshold_in_use
from cbir.labels.appearances.files import METADATA
from cbir.labels.files import GROUNDTRUTH
from cbir.matching.table import MATCHES
from cbir.serving.review.lookup import Lookup

State = tuple[tuple[int, int, int] | None, ...]  # time, size and inode of each file; None where it is not there


@dataclass(frozen=True)
class Sources:
    """Names the files that runs write and the pages are made of."""

    manifest: Path
    groundtruth: Path
    matches: Path
    groups: Path
    threshold: Path
    metadata: Path

    def state(self) -> State:
        """Returns what changes when a file is written anew."""
        paths = (self.manifest, self.groundtruth, self.matches, self.groups, self.threshold, self.metadata)
        return tuple(_state(path) for path in paths)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Findings:
    """Holds the images, pairs and groups of one run; made by :meth:`read`, and never changed.

    Attributes:
        state: of the files that it was read from.
        threshold: probability from which images are put together.
        rule: what the threshold rests on, a sentence.
        questions: the pairs that people should look at, of ``cbir.groups.evidence.pairs.find_questions``; whoever has
            decided something is not asked here, see ``cbir.serving.review.queue``.
        core_of: the images that likely pairs hold together, of the same.
        metadata: titles, dates and more of images, as ``cbir.groups.circulation.by_image`` gives them.
    """

    def __init__(self, tables: dict[str, pa.Table], threshold: tuple[float, str], state: State) -> None:
        self.state = state
        self.threshold, self.rule = threshold
        usable = tables["manifest"].filter(pc.equal(tables["manifest"]["status"], "ok"))
        self._files = Lookup(usable, "image_id")
        self._known = Lookup(tables["groundtruth"], "image_id")
        self.metadata = by_image(tables["metadata"].to_pandas())
        self._matches = Lookup(tables["matches"], "query_id")
        self._members = Lookup(tables["groups"], "group_id")
        self.groups: pd.DataFrame = tables["groups"].to_pandas()
        self.group_of = dict(zip(self.groups["image_id"], self.groups["group_id"], strict=True))
        pairs = tables["matches"].drop_columns("map").to_pandas()
        self.questions, self.core_of = find_questions(self.groups, pairs, _accessions(usable), threshold=self.threshold)

    @classmethod
    def read(cls, sources: Sources, *, chosen: float) -> "Findings":
        """Reads the files, which a run may be writing anew: each is whole, old or new.

        Args:
            chosen: the threshold, or 0 for the learned one.

        Raises:
            UserError: a file is not there, or damaged.
        """
        state = sources.state()
        wanted = {
            "manifest": (sources.manifest, "the manifest", "clean", MANIFEST),
            "groundtruth": (sources.groundtruth, "the ground truth", "groundtruth", GROUNDTRUTH),
            "matches": (sources.matches, "the table of matches", "match", MATCHES),
            "groups": (sources.groups, "the table of groups", "group", GROUPS),
            "metadata": (sources.metadata, "the table of metadata", "groundtruth", METADATA),
        }
        tables = {
            key: read_table(path, name=name, stage=stage, schema=schema)
            for key, (path, name, stage, schema) in wanted.items()
        }
        return cls(tables, threshold_in_use(sources.threshold, chosen), state)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._files

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The numbers of images of the groups, by group_id."""
        sizes: dict[str, int] = self.groups["group_id"].value_counts().to_dict()
        return sizes

    @cached_property
    def circulation(self) -> pd.DataFrame:
        """The sources that share photographs, as ``cbir.groups.circulation.shared_sources`` gives them."""
        return shared_sources(self.groups, self.metadata)

    def files(self, *image_ids: str) -> pd.DataFrame:
        """Returns the manifest's rows of images."""
        return self._files.rows(image_ids)

    def described(self, *image_ids: str) -> dict[str, dict]:
        """Returns what pages say of images, as ``cbir.groups.evidence.pages.describe_images`` does."""
        return describe_images(image_ids, self.files(*image_ids), self._known.rows(image_ids))

    def names(self, *image_ids: str) -> dict[str, str]:
        """Returns the name of the first file of each image, with the page where it is a later one."""
        rows = in_order(self.files(*image_ids)).drop_duplicates("image_id")
        named = zip(rows["image_id"], rows["path"], rows["page"].astype(int), strict=True)
        return {image: path if page == 0 else f"{path}, page {page + 1}" for image, path, page in named}

    def find_files(self, text: str, *, most: int) -> list[str]:
        """Returns the images of which a file's name holds a text, in capitals or not, by name."""
        files = self._files.table
        rows = files.filter(pc.match_substring(files["path"], text, ignore_case=True)).sort_by("path")
        return list(dict.fromkeys(rows["image_id"].to_pylist()))[:most]

    def file_names(self) -> pd.DataFrame:
        """Returns the files of all images in groups: image_id, accession, and text: their names, captions and titles in
        small letters.
        """
        files = self._files.rows(self.group_of)[["image_id", "accession", "path"]]
        captions = self._known.rows(self.group_of)[["image_id", "caption", "caption_en"]]
        rows = files.merge(captions, on="image_id", how="left")
        titles = pd.Series(
            [self.metadata.get(image, {}).get("title", "") for image in rows["image_id"]], rows.index, str
        )
        words = rows["path"].str.cat([rows["caption"].fillna(""), rows["caption_en"].fillna(""), titles], sep=" ")
        return rows[["image_id", "accession"]].assign(text=words.str.casefold())

    def matches(self, *image_ids: str) -> pd.DataFrame:
        """Returns the pairs of images with all that they were compared with."""
        return self._matches.rows(image_ids)

    def members(self, *group_ids: str) -> pd.DataFrame:
        """Returns the rows of groups in the table of groups."""
        return self._members.rows(group_ids)


def _accessions(usable: pa.Table) -> pd.Series:
    """Returns the accession of each image, by image_id: that of its first file."""
    images = in_order(usable.select(["image_id", "accession", "path", "page"]).to_pandas())
    accessions: pd.Series = images.drop_duplicates("image_id").set_index("image_id")["accession"]
    return accessions
