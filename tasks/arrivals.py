"""Writes the report of what is new since the last one; it depends on history, so it is no stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.archive.manifest import arrival, read_manifest, unique_images
from cbir.arrivals.changes import BASELINE, Arrivals, baseline_of, find_arrivals
from cbir.arrivals.page import (
    THUMBNAILS,
    Occasion,
    as_markdown_summary,
    as_summary,
    in_a_sentence,
    shown_images,
    write_arrivals_csv,
    write_arrivals_page,
)
from cbir.arrivals.survey import Skipped
from cbir.base.files import write_parquet
from cbir.groups.table import read_groups
from cbir.groups.threshold import threshold_in_use
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_groundtruth
from cbir.matching.table import read_matches
from cbir.reports.thumbnails import read_thumbnails, write_thumbnails
from cbir.store import Store
from tasks.harness.settings import Paths

FOLDER = "arrivals"


@dataclass(frozen=True)
class Arrived:
    """The report of arrivals: its counts in a sentence, as values for JSON and as Markdown, and its files.

    ``news`` says whether there is a near-duplicate or a pair to look at.
    """

    sentence: str
    summary: dict[str, Any]
    markdown: str
    files: tuple[Path, ...]
    news: bool


def prepare_baseline(paths: Paths) -> None:
    """Writes down what the archive is now, unless that was done: the first report will be of what comes after."""
    if not _baseline(paths).exists():
        mark_reported(paths)


def is_reported(paths: Paths) -> bool:
    """Returns whether all that is in the archive was there when the last report was settled."""
    return pq.read_table(_baseline(paths)).equals(_now(paths))


def mark_reported(paths: Paths) -> None:
    """Settles the report when all have been told: the next one is of what comes after."""
    write_parquet(_baseline(paths), _now(paths))


def report_arrivals(
    paths: Paths,
    *,
    chosen_threshold: float,
    margin: float,
    longest_side: int,
    thumbnail_side: int,
    left: Sequence[Skipped] = (),
    waiting: Sequence[Skipped] = (),
) -> Arrived | None:
    """Writes the report of what is new since the last one that was settled; None where nothing is.

    Its files are named by the last accession of which there is something new. Until :func:`mark_reported` the same
    report is written again: so a run that was killed leaves none out. A threshold of 0 takes the learned one.
    """
    baseline, manifest = pq.read_table(_baseline(paths)).to_pandas(), read_manifest(paths.manifest)
    groups = read_groups(paths.groups)
    threshold, _ = threshold_in_use(paths.reports / "threshold.json", chosen_threshold)
    matches = read_matches(paths.matches)
    arrivals = find_arrivals(baseline, manifest, groups, matches, threshold=threshold, margin=margin)
    if not arrivals.files:
        return None
    name = max(arrivals.pairs["accession"], key=arrival)
    occasion = Occasion(name, threshold, tuple(left), tuple(waiting))
    page, table = (paths.reports / FOLDER / f"{name}{ending}" for ending in (".html", ".csv"))
    _write_thumbnails(
        page.parent / THUMBNAILS, arrivals, manifest, paths, longest_side=longest_side, side=thumbnail_side
    )
    captions = read_groundtruth(paths.groundtruth).set_index("image_id")["caption"].dropna().to_dict()
    write_arrivals_csv(table, arrivals)
    write_arrivals_page(page, arrivals, occasion, captions=captions)
    return Arrived(
        in_a_sentence(arrivals),
        as_summary(arrivals, occasion, page),
        as_markdown_summary(arrivals, occasion, page),
        (page, table),
        news=bool(arrivals.pairs["finding"].isin(("near-duplicate", "possible")).any()),
    )


def _baseline(paths: Paths) -> Path:
    return paths.reports / FOLDER / "baseline.parquet"


def _now(paths: Paths) -> pa.Table:
    rows = baseline_of(read_manifest(paths.manifest), read_groups(paths.groups))
    return pa.Table.from_pandas(rows, schema=BASELINE, preserve_index=False).replace_schema_metadata()


def _write_thumbnails(
    folder: Path, arrivals: Arrivals, manifest: pd.DataFrame, paths: Paths, *, longest_side: int, side: int
) -> None:
    """Adds the pictures of the page to those of earlier reports."""
    ids = shown_images(arrivals)
    rows = unique_images(manifest).set_index("image_id").loc[ids]
    wanted = zip(ids, rows["path"], rows["page"].astype(int), strict=True)
    images = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    thumbnails = read_thumbnails(images, wanted, sheet_side=side, store=Store(paths.store / "thumbnails.sqlite"))
    folder.mkdir(parents=True, exist_ok=True)
    write_thumbnails(folder, thumbnails)
