"""Findings of a run, for tests of the pages on which people decide: images of one letter, their pairs and groups."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.archive.manifest import Row, write_manifest
from cbir.base.files import write_json
from cbir.groups.table import write_groups
from cbir.images.reduced import ReducedImages
from cbir.labels.appearances.files import METADATA, write_appearances
from cbir.labels.files import GROUNDTRUTH, write_groundtruth
from cbir.library import settings
from cbir.matching.table import both_directions, write_matches
from cbir.serving.review.audits import AuditFiles, Auditor
from cbir.serving.review.desk import Desk, Settings
from cbir.serving.review.findings import Findings, Sources
from cbir.serving.review.pictures import Pictures
from cbir.serving.review.search.queries import Queries
from cbir.serving.review.search.room import SearchFiles, SearchRoom, SearchSettings
from flows.processes.guard import Guard
from flows.review.access import Access
from flows.review.app import create_app

LETTERS = "abcdef12"
MAP = [0.5, 0.0, 10.0, 0.0, 0.5, 20.0]
FACTS = {"similarity": 0.5, "mirrored": False, "inliers": 30, "tone": 0.9, "log_nfa": -20.0}
FACTS |= {"relation": "same photograph", "overlap_query": 0.8, "overlap_neighbour": 0.6}
HOSTILE = "<script>alert(1)</script> & \u202egpj.exe"


def image(letter: str) -> str:
    """Returns the image_id of a letter, or of a digit."""
    return letter * 32


def pair(letters: str) -> str:
    """Returns the address of a pair of letters, such as ``ab``."""
    return "-".join(map(image, letters))


def row(letter: str, path: str, accession: str, **facts: Any) -> Row:
    """Describes an image of 800 by 600 px."""
    values: dict[str, Any] = dict.fromkeys(Row.__annotations__) | {"bytes": 1, "format": "JPEG", "mode": "L"}
    values |= {"image_id": image(letter), "path": path, "accession": accession, "page": 0, "status": "ok"}
    return Row(**{**values, "width": 800, "height": 600, **facts})


def write_sources(
    root: Path,
    *pairs: tuple[str, float],
    groups: tuple[str, ...] = (),
    new: str = "",
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    metadata: Mapping[str, Mapping[str, str]] | None = None,
    letters: str = LETTERS,
) -> Sources:
    """Writes the files of a run that looked at these pairs, such as ``("ab", 0.9)``.

    Args:
        groups: the letters of each group, the best copy first.
        new: images that came in the accession ``new``, the others in ``old``.
        facts: by pair, in place of FACTS.
        metadata: by image, such as its title and date.
        letters: of the images that there are.
    """
    rows = [row(letter, f"{'new' if letter in new else 'old'}/{letter}.jpg", "new" if letter in new else "old")
            for letter in letters]  # fmt: skip
    write_manifest(root / "manifest.parquet", sorted(rows, key=lambda each: (each.accession, each.path)))
    captions = [HOSTILE if letter == "b" else None for letter in letters]
    known = pd.DataFrame({"image_id": [image(letter) for letter in letters], "caption": captions})
    known = known.reindex(columns=GROUNDTRUTH.names)
    write_groundtruth(root / "groundtruth.parquet", known)
    described = [
        FACTS
        | {"query_id": image(ends[0]), "neighbour_id": image(ends[1]), "probability": likely, "map": MAP}
        | dict((facts or {}).get(ends, {}))
        for ends, likely in pairs
    ]
    write_matches(root / "matches.parquet", both_directions(pd.DataFrame(described)))
    members = [(image(group[0]), image(letter), place == 0, 0.9, "match")
               for group in groups for place, letter in enumerate(group)]  # fmt: skip
    columns = ["group_id", "image_id", "representative", "similarity", "evidence"]
    write_groups(root / "groups.parquet", pd.DataFrame(members, columns=columns))
    write_json(root / "threshold.json", json.loads('{"threshold": 0.5, "rule": "default", "precision": null}'))
    write_appearances(root / "metadata.parquet", pd.DataFrame(
        [{"image_id": image(letter), **facts} for letter, facts in sorted((metadata or {}).items())]
    ).reindex(columns=METADATA.names))  # fmt: skip
    return _sources(root)


def make_findings(root: Path, *pairs: tuple[str, float], **options: Any) -> Findings:
    """Reads what :func:`write_sources` writes."""
    return Findings.read(write_sources(root, *pairs, **options), chosen=0)


def make_desk(root: Path, *pairs: tuple[str, float], **options: Any) -> Desk:
    """Returns a desk on what :func:`write_sources` writes; decisions are kept in ``decisions.csv`` beside it."""
    write_sources(root, *pairs, **options)
    return open_desk(root)


def open_desk(root: Path) -> Desk:
    """Returns a desk on the tables of a folder."""
    reduced = ReducedImages(root / "store", root / "raw", longest_side=512)
    pictures = Pictures(reduced, thumbnails=root / "thumbnails", archive=root / "raw")
    return Desk(_sources(root), root / "decisions.csv", pictures, Settings(threshold=0, longest_side=512))


def _sources(root: Path) -> Sources:
    names = ("manifest", "groundtruth", "matches", "groups")
    return Sources(*(root / f"{name}.parquet" for name in names), root / "threshold.json", root / "metadata.parquet")


def make_room(root: Path, desk: Desk) -> SearchRoom:
    """Returns who searches the archive in ``root``; what it searches with is made by :func:`write_index`."""
    files = SearchFiles(root / "encoder", root / "index", root / "embeddings", root / "store")
    reduced = ReducedImages(root / "store", root / "raw", longest_side=512)
    return SearchRoom(files, Queries(desk.pictures, side=512), reduced, _search_settings)


def _search_settings() -> SearchSettings:
    return SearchSettings(longest_side=512, listed=30, precision="float32", matching=settings.MATCHING)


def make_app(
    desk: Desk, *, access: Access | None = None, auditor: Auditor | None = None, room: SearchRoom | None = None
) -> Guard:
    """Returns the application of a desk that :func:`make_desk` made, behind its guard."""
    root = desk.ledger._journal.path.parent
    access, auditor, room = access or Access(alone="Zoe"), auditor or make_auditor(root), room or make_room(root, desk)
    return Guard(create_app(desk, access, auditor, room, arrivals=root / "arrivals"))


def make_auditor(root: Path, *, target: float = 0.95) -> Auditor:
    """Returns who runs the audits of what :func:`write_sources` writes."""
    names = ("audit.csv", "audits", "raw", "manifest.parquet", "groups.parquet", "encoder")
    return Auditor(AuditFiles(*(root / name for name in names)), target=target)
