"""Stage group: finds near-duplicate groups, and writes the reports that people read."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
import tqdm
from annotated_types import Ge

from cbir.archive.manifest import read_manifest, unique_images
from cbir.audit.record import last_audit, standing_promise
from cbir.base.files import write_json, writing_folder
from cbir.groups.circulation import by_image, shared_sources
from cbir.groups.decisions.journal import read_decisions
from cbir.groups.decisions.links import Links, link
from cbir.groups.decisions.words import contradiction_in_words, decided_column
from cbir.groups.evidence.overlays import Images, write_overlays
from cbir.groups.evidence.pages import MOST_DOUBTS, describe_images, write_doubts, write_group_pages
from cbir.groups.evidence.pairs import expected_precision, find_doubts, member_pairs
from cbir.groups.grouping import group_images
from cbir.groups.page import Link, write_page
from cbir.groups.rows import Summary, group_numbers, in_words, report_rows, summarise, write_groups_csv
from cbir.groups.table import write_groups
from cbir.groups.threshold import Chosen, learned_threshold, threshold_in_use
from cbir.groups.workbook import write_workbook
from cbir.images.reduced import ReducedImages
from cbir.labels.appearances.files import read_appearances
from cbir.labels.files import read_groundtruth
from cbir.matching.table import read_matches
from cbir.reports.thumbnails import ThumbnailSide, read_thumbnails, require_side, write_thumbnails
from cbir.spreadsheet import write_csv
from cbir.store import Store
from tasks.harness.settings import Paths, decisions_taken
from tasks.harness.stage import main

_LINKS = [  # files that the pipeline writes beside the page
    Link("Pairs in doubt", "doubts.html"),
    Link("All groups as a table (CSV)", "groups.csv"),
    Link("Groups with pictures (Excel)", "groups.xlsx"),
    Link("Cleaning report (CSV)", "cleaning.csv"),
    Link("Ground truth report (CSV)", "groundtruth.csv"),
    Link("Metrics (JSON)", "metrics.json"),
    Link("Altered copies and where they came back", "robustness.html"),
]
_CIRCULATION = Link("Sources that share photographs (CSV)", "circulation.csv")

log = logging.getLogger(__name__)


def group(
    paths: Paths,
    *,
    longest_side: int,
    threshold: Chosen,
    report_groups: Annotated[int, Ge(0)],
    thumbnail_side: ThumbnailSide,
) -> None:
    """Puts near-duplicates together; writes them as a table, a CSV, an Excel workbook and pages with the evidence."""
    require_side(thumbnail_side, longest_side=longest_side)
    value, rule = threshold_in_use(paths.reports / "threshold.json", threshold)
    manifest, known = read_manifest(paths.manifest), read_groundtruth(paths.groundtruth)
    matches, metadata = read_matches(paths.matches), by_image(read_appearances(paths.metadata))
    links = _decided(paths.decisions)
    groups = group_images(manifest, matches, threshold=value, links=links, progress=tqdm.tqdm)
    write_groups(paths.groups, groups)

    rows = report_rows(groups, manifest, known, decided=decided_column(links))
    accessions = unique_images(manifest).set_index("image_id")["accession"]
    doubts = find_doubts(groups, matches, accessions, threshold=value, links=links)
    summary = summarise(
        manifest,
        rows,
        threshold=value,
        rule=rule,
        promise=_promise(paths, groups, threshold),
        expected_precision=expected_precision(groups, matches),
        doubts=len(doubts),
    )
    write_json(paths.reports / "group.json", group_numbers(summary))
    write_groups_csv(paths.reports / "groups.csv", rows)
    write_csv(paths.reports / "circulation.csv", shared_sources(groups, metadata))

    shown, asked = rows[rows["group"] <= report_groups], doubts.head(MOST_DOUBTS)
    pairs = member_pairs(groups[groups["group_id"].isin(shown["group_id"])], matches, threshold=value)
    images = describe_images([*shown["image_id"], *asked["query_id"], *asked["neighbour_id"]], manifest, known)
    source = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    _write_workbook(paths, rows, images, source, summary=summary, side=thumbnail_side)
    _write_evidence(paths, shown, pairs, doubts, images, source, metadata, threshold=value)
    _write_index(paths, shown, summary, side=thumbnail_side, circulation=bool(metadata))
    log.info("%s; see %s", in_words(group_numbers(summary)), paths.reports / "index.html")


def _write_index(paths: Paths, shown: pd.DataFrame, summary: Summary, *, side: int, circulation: bool) -> None:
    archive = Path(os.path.relpath(paths.raw, paths.reports)).as_posix()
    page = paths.reports / "index.html"
    links = [*_LINKS, *([_CIRCULATION] if circulation else [])]
    write_page(page, shown, summary=summary, links=links, archive=archive, thumbnail_side=side)


def _promise(paths: Paths, groups: pd.DataFrame, threshold: Chosen) -> str:
    """Writes down which promise holds, and returns it as a sentence."""
    learned = learned_threshold(paths.reports / "threshold.json", threshold)
    promise = standing_promise(groups, last_audit(paths.audits, groups), learned)
    write_json(paths.reports / "promise.json", promise)
    sentence: str = promise["sentence"]
    return sentence


def _write_workbook(
    paths: Paths, rows: pd.DataFrame, images: Images, source: ReducedImages, *, summary: Summary, side: int
) -> None:
    """Writes the workbook and, as the same pictures are in both, the thumbnails of the pages."""
    files = [(image_id, image["files"][0]["path"], image["files"][0]["page"] - 1) for image_id, image in images.items()]
    kept = Store(paths.store / "thumbnails.sqlite")
    thumbnails = read_thumbnails(source, files, sheet_side=side, store=kept, progress=tqdm.tqdm)
    with writing_folder(paths.reports / "thumbnails") as folder:
        write_thumbnails(folder, thumbnails)
    write_workbook(paths.reports / "groups.xlsx", rows, thumbnails, summary=summary, thumbnail_side=side)


def _decided(file: Path) -> Links:
    """Reads what people decided, and warns of each contradiction."""
    links = link(read_decisions(file, size=decisions_taken()))
    for contradiction in links.contradictions:
        log.warning("decisions contradict each other: %s", contradiction_in_words(contradiction))
    if links.together or links.apart:
        log.info("obeyed: %d pairs together, %d apart by decision", len(links.together), len(links.apart))
    return links


def _write_evidence(
    paths: Paths,
    shown: pd.DataFrame,
    pairs: pd.DataFrame,
    doubts: pd.DataFrame,
    images: Images,
    source: ReducedImages,
    metadata: Mapping[str, Mapping[str, str]],
    *,
    threshold: float,
) -> None:
    """Writes a page a group, the page of pairs in doubt, and the overlays that both show."""
    members = shown.drop_duplicates("image_id")
    asked = pd.concat([pairs, doubts.head(MOST_DOUBTS)])
    kept = Store(paths.store / "overlays.sqlite")
    with writing_folder(paths.reports / "overlays") as folder:
        laid = write_overlays(folder, asked, images, source, store=kept, progress=tqdm.tqdm)
    with writing_folder(paths.reports / "groups") as folder:
        write_group_pages(folder, members, pairs, images, laid, metadata, threshold=threshold)
    write_doubts(paths.reports / "doubts.html", doubts, images, laid, groups=members, threshold=threshold)


if __name__ == "__main__":
    main(group)
