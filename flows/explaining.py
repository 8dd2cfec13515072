"""Prints the result of `cbir why`: what was found about two files, and why they are or are not together."""

import re
from pathlib import Path

import pandas as pd

from cbir.archive.manifest import read_manifest
from cbir.base.display import visible
from cbir.base.errors import UserError
from cbir.groups.decisions.journal import read_decisions
from cbir.groups.decisions.links import link
from cbir.groups.decisions.words import decided_between
from cbir.groups.reasons import explain_pair
from cbir.groups.table import read_groups
from cbir.groups.threshold import Chosen, threshold_in_use
from cbir.matching.table import read_matches
from tasks.harness.settings import PARAMS, Paths, load_value, read_yaml

_PAGE = re.compile(r"(.+), page ([1-9]\d{0,5})", re.DOTALL)


def show_reasons(first: str, second: str, paths: Paths) -> None:
    """Prints the sentences about two files of the archive.

    Raises:
        UserError: a file is not in the archive, or was rejected, or a stage has not run.
    """
    manifest = read_manifest(paths.manifest)
    ids = image_of(first, manifest, paths.raw), image_of(second, manifest, paths.raw)
    names = names_of(manifest).map(visible)
    chosen = load_value("group.threshold", Chosen, read_yaml(PARAMS))
    threshold, _ = threshold_in_use(paths.reports / "threshold.json", chosen)
    matches, groups = read_matches(paths.matches), read_groups(paths.groups)
    links = link(read_decisions(paths.decisions))
    decided, sentences = decided_between(*ids, links)
    apart = [decision.pair for decision in links.apart]
    reasons = explain_pair(*ids, matches, groups, names, threshold=threshold, decided=decided, apart=apart)
    for sentence in (*sentences, *reasons):
        print(visible(sentence))


def names_of(manifest: pd.DataFrame) -> pd.Series:
    """Returns the name of each image, by image_id, as :func:`image_of` takes it: of copies that of the first file."""
    images = manifest.dropna(subset=["image_id"]).drop_duplicates("image_id").set_index("image_id")
    pages = images["page"].astype("int64")
    return images["path"].where(pages == 0, images["path"] + ", page " + (pages + 1).astype("str"))


def image_of(file: str, manifest: pd.DataFrame, raw: Path) -> str:
    """Returns the image_id of a file, given by its path, with or without the archive's folder; of its first page, or of
    another one that is named behind it (``old/book.tif, page 2``).

    Raises:
        UserError: the archive has no such file or page, or it was rejected.
    """
    path = Path(file).resolve()
    inside = path.relative_to(raw.resolve()).as_posix() if path.is_relative_to(raw.resolve()) else file
    rows = manifest[manifest["path"] == inside].sort_values("page")
    if rows.empty and (paged := _PAGE.fullmatch(inside)):
        rows = manifest[(manifest["path"] == paged[1]) & (manifest["page"] == int(paged[2]) - 1)]
    if rows.empty:
        raise UserError(f"{file}: no such file in {raw}; name it as reports/groups.csv does, as ACCESSION/FILE, and of "
                        "several pages one as 'ACCESSION/FILE, page 2'")  # fmt: skip
    if rows["status"].iloc[0] != "ok":
        reason = rows["reason"].iloc[0]
        raise UserError(f"{file} was rejected ({reason}), so nothing was found about it; see reports/cleaning.csv")
    return str(rows["image_id"].iloc[0])
