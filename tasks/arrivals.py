"""The report of what arrived since the last one, made in the process of the flow: it depends on history, so no stage.

What the last report was made against is kept beside the reports. It is replaced when a report is written whole; a kill
before that makes the next run write the same report again.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import tqdm

from cbir.arrivals import Arrivals, arrived_images, find_arrivals, neighbours_of
from cbir.arrivals_layout import Layout, lay_out
from cbir.arrivals_page import write_page
from cbir.arrivals_text import Left, markdown, summary, write_arrivals_csv
from cbir.errors import UserError
from cbir.manifest import SCHEMA, read_manifest
from cbir.reduced import ReducedImages
from cbir.snapshot import Snapshot, snapshot_of
from cbir.thumbnails import page_side, read_thumbnails
from tasks.settings import Paths
from tasks.threshold import threshold_in_use

FOLDER = "arrivals"  # in the folder of reports
_BASELINE = "baseline.parquet"
_MOST_SIDE = 384  # px, of a picture on the page, where the pairs that want a look are shown large

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrived:
    """A report of what arrived.

    Attributes:
        page, table: the HTML page and the CSV.
        summary: counts and the first near-duplicates, for JSON.
        markdown: the same for a page that shows Markdown.
    """

    page: Path
    table: Path
    summary: dict[str, Any]
    markdown: str


def prepare_baseline(paths: Paths) -> None:
    """Note what the archive holds, where nothing is noted yet; to be called before anything new comes in."""
    path = paths.reports / FOLDER / _BASELINE
    if not path.exists():
        manifest = read_manifest(paths.manifest) if paths.manifest.exists() else SCHEMA.empty_table().to_pandas()
        snapshot_of(manifest, _groups(paths.groups)).write(path)


def report_arrivals(
    paths: Paths,
    *,
    name: str,
    margin: float,
    threshold: float,
    longest_side: int,
    thumbnail_side: int,
    left: Sequence[Left] = (),
    waiting: Sequence[Left] = (),
) -> Arrived | None:
    """Write the report of what the archive has now and had not when the last report was written.

    Args:
        name: of the report's files.
        margin: ``arrivals.margin``.
        threshold: ``group.threshold``; 0 takes the learned one.
        longest_side: ``images.longest_side``.
        thumbnail_side: ``group.thumbnail_side``, the least of a picture on the page.
        left, waiting: files that stay in the landing folder, and why.

    Returns:
        None where no file is new or gone and no group has changed; then nothing is written.
    """
    if not 0 <= margin <= 1:
        raise UserError(f"arrivals.margin must be a difference of cosines between 0 and 1, is {margin}")
    folder = paths.reports / FOLDER
    prepare_baseline(paths)
    manifest, groups = read_manifest(paths.manifest), _groups(paths.groups)
    found = _find(paths, manifest, groups, margin=margin, threshold=threshold)
    if found.nothing:
        return None
    captions = _captions(paths.groundtruth, found)
    page, table = folder / f"{name}.html", folder / f"{name}.csv"
    layout = lay_out(found, captions)
    images = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    write_arrivals_csv(table, found, captions=captions, left=left, waiting=waiting)
    write_page(
        page,
        found,
        layout,
        name=name,
        pictures=_pictures(images, layout, least=thumbnail_side, most=longest_side),
        left=left,
        waiting=waiting,
        archive=Path(os.path.relpath(paths.raw, folder)).as_posix(),
        groups="../index.html",
        table=table.name,
    )
    snapshot_of(manifest, groups).write(folder / _BASELINE)
    told = summary(found, name=name, left=left, waiting=waiting)
    log.info(
        "%d new files, %d near-duplicate pairs, %d pairs to look at; see %s",
        told["new_files"],
        told["near_duplicate_pairs"],
        told["needs_a_look"],
        page,
    )
    return Arrived(page, table, told, markdown(found, name=name, left=left, waiting=waiting))


def _find(paths: Paths, manifest: pd.DataFrame, groups: pd.DataFrame, *, margin: float, threshold: float) -> Arrivals:
    before = Snapshot.read(paths.reports / FOLDER / _BASELINE)
    value, _ = threshold_in_use(paths.reports, threshold)
    neighbours = neighbours_of(paths.neighbours, arrived_images(before, manifest))
    return find_arrivals(before, manifest, groups, neighbours, threshold=value, margin=margin)


def _groups(path: Path) -> pd.DataFrame:
    columns = ["group_id", "image_id"]
    return pq.read_table(path, columns=columns).to_pandas() if path.exists() else pd.DataFrame(columns=columns)


def _captions(path: Path, found: Arrivals) -> dict[str, str]:
    """The captions of the images that the report names, by image_id; a translation where there is no other."""
    table = pq.read_table(path, columns=["image_id", "caption", "caption_en"]).to_pandas()
    table = table[table["image_id"].isin(found.known["image_id"])].set_index("image_id")
    return table["caption"].fillna(table["caption_en"]).dropna().to_dict()


def _pictures(images: ReducedImages, layout: Layout, *, least: int, most: int) -> dict[str, bytes]:
    wanted = [(image.image_id, image.first.path, image.first.page - 1) for image in layout.images]
    side = page_side(layout.pictures, least=least, most=min(most, _MOST_SIDE))
    made = read_thumbnails(images, wanted, page_side=side, sheet_side=least, progress=tqdm.tqdm)
    return {image_id: thumbnail.page for image_id, thumbnail in made.items()}
