"""Writes the groups of a workspace as files for IIIF viewers."""

import re
from functools import partial
from pathlib import Path

from cbir.archive.manifest import read_manifest
from cbir.base.errors import UserError
from cbir.base.files import writing_folder
from cbir.groups.circulation import by_image
from cbir.groups.evidence.overlays import read_pixels
from cbir.groups.evidence.pages import describe_images
from cbir.groups.evidence.pairs import member_pairs
from cbir.groups.table import read_groups
from cbir.groups.threshold import Chosen, threshold_in_use
from cbir.images.reduced import LongestSide, ReducedImages
from cbir.labels.appearances.files import read_appearances
from cbir.labels.files import read_groundtruth
from cbir.matching.table import read_matches
from cbir.serving.iiif import Archive, write_iiif
from tasks.harness.settings import PARAMS, Paths, load_value, read_yaml

_ADDRESS = re.compile(r"https?://[^\s#?\"<>]+")


def export_iiif(folder: Path, paths: Paths, *, address: str) -> str:
    """Writes a collection of the groups into a new folder; returns what to do with it.

    Args:
        address: of the folder on the web.

    Raises:
        UserError: the folder is there already, the address is none, or no run has found anything yet.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already; name a new folder, for the collection is written whole")
    if not _ADDRESS.fullmatch(address):
        raise UserError(f"--address must begin with http:// or https:// and have no # or ?, is {address!r}")
    archive = _archive(paths)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with writing_folder(folder) as temporary:
        count = write_iiif(temporary, archive, address=address)
    return f"{folder}: {count} groups; put it on the web as {address}, and open {address.rstrip('/')}/collection.json"


def _archive(paths: Paths) -> Archive:
    params = read_yaml(PARAMS)
    threshold, _ = threshold_in_use(paths.reports / "threshold.json", load_value("group.threshold", Chosen, params))
    side = load_value("images.longest_side", LongestSide, params)
    groups, manifest = read_groups(paths.groups), read_manifest(paths.manifest)
    images = describe_images(groups["image_id"].tolist(), manifest, read_groundtruth(paths.groundtruth))
    reduced = ReducedImages(paths.store, paths.raw, longest_side=side)
    pixels = partial(read_pixels, images=images, source=reduced)
    pairs = member_pairs(groups, read_matches(paths.matches), threshold=threshold)
    return Archive(groups, pairs, images, by_image(read_appearances(paths.metadata)), pixels, side)
