"""Stage group: finds near-duplicate groups, and writes the reports that people read."""

import logging
import os
from pathlib import Path
from typing import Annotated

import pandas as pd
import tqdm
from annotated_types import Ge

from cbir.archive.manifest import read_manifest
from cbir.audit.record import last_audit, standing_promise
from cbir.errors import UserError
from cbir.files import write_json
from cbir.groups.decisions.journal import read_decisions
from cbir.groups.decisions.links import Links, link
from cbir.groups.decisions.words import contradiction_in_words, decided_column
from cbir.groups.grouping import group_images
from cbir.groups.page import Link, write_page
from cbir.groups.rows import group_numbers, report_rows, summarise, write_groups_csv
from cbir.groups.table import write_groups
from cbir.groups.threshold import Chosen, learned_threshold, threshold_in_use
from cbir.groups.workbook import write_workbook
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_groundtruth
from cbir.matching.table import read_matches
from cbir.reports.thumbnails import Thumbnail, ThumbnailSide, page_side, read_thumbnails
from cbir.store import Store
from tasks.harness.settings import Paths
from tasks.harness.stage import main

_LINKS = [  # files that the pipeline writes beside the page
    Link("All groups as a table (CSV)", "groups.csv"),
    Link("Groups with pictures (Excel)", "groups.xlsx"),
    Link("Cleaning report (CSV)", "cleaning.csv"),
    Link("Ground truth report (CSV)", "groundtruth.csv"),
    Link("Metrics (JSON)", "metrics.json"),
    Link("Altered copies and where they came back", "robustness.html"),
]

log = logging.getLogger(__name__)


def group(
    paths: Paths,
    *,
    longest_side: int,
    threshold: Chosen,
    report_groups: Annotated[int, Ge(0)],
    thumbnail_side: ThumbnailSide,
) -> None:
    """Puts near-duplicates together; writes them as a table, a CSV, an Excel workbook and an HTML page."""
    if thumbnail_side > longest_side:
        raise UserError(
            f"group.thumbnail_side must be at most images.longest_side ({longest_side}), is {thumbnail_side}"
        )
    value, rule = threshold_in_use(paths.reports / "threshold.json", threshold)
    manifest = read_manifest(paths.manifest)
    links = _decided(paths.decisions)
    groups = group_images(manifest, read_matches(paths.matches), threshold=value, links=links, progress=tqdm.tqdm)
    write_groups(paths.groups, groups)

    rows = report_rows(groups, manifest, read_groundtruth(paths.groundtruth), decided=decided_column(links))
    learned = learned_threshold(paths.reports / "threshold.json", threshold)
    promise = standing_promise(groups, last_audit(paths.audits, groups), learned)
    write_json(paths.reports / "promise.json", promise)
    summary = summarise(manifest, rows, threshold=value, rule=rule, promise=promise["sentence"])
    write_json(paths.reports / "group.json", group_numbers(summary))
    write_groups_csv(paths.reports / "groups.csv", rows)
    shown = rows[rows["group"] <= report_groups]
    images = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    kept = Store(paths.store / "thumbnails.sqlite")
    thumbnails = _thumbnails(images, shown, kept, least=thumbnail_side, most=longest_side)
    write_workbook(paths.reports / "groups.xlsx", rows, thumbnails, summary=summary, thumbnail_side=thumbnail_side)
    write_page(
        paths.reports / "index.html",
        shown,
        thumbnails,
        summary=summary,
        links=_LINKS,
        archive=Path(os.path.relpath(paths.raw, paths.reports)).as_posix(),
        thumbnail_side=thumbnail_side,
    )
    log.info(
        "%d groups of %d images (%d files) at a probability of %.3f; %d groups across accessions; see %s",
        summary.groups,
        summary.images_in_groups,
        summary.files_in_groups,
        value,
        summary.groups_across_accessions,
        paths.reports / "index.html",
    )


def _decided(file: Path) -> Links:
    """Reads what people decided, and warns of each contradiction."""
    links = link(read_decisions(file))
    for contradiction in links.contradictions:
        log.warning("decisions contradict each other: %s", contradiction_in_words(contradiction))
    if links.together or links.apart:
        log.info("obeyed: %d pairs together, %d apart by decision", len(links.together), len(links.apart))
    return links


def _thumbnails(
    images: ReducedImages, shown: pd.DataFrame, kept: Store, *, least: int, most: int
) -> dict[str, Thumbnail]:
    firsts = shown.drop_duplicates("image_id")
    wanted = zip(firsts["image_id"], firsts["file"], firsts["page"] - 1, strict=True)
    side = page_side(len(firsts), least=least, most=most)
    return read_thumbnails(images, wanted, page_side=side, sheet_side=least, store=kept, progress=tqdm.tqdm)


if __name__ == "__main__":
    main(group)
