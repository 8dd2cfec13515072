"""Makes the rows and the summary that the reports show: a row a file of a group, and the counts of the archive."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.spreadsheet import write_csv

COLUMNS = [
    "group",  # number, the largest group first; changes as the archive grows
    "group_id",  # stays
    "file",
    "page",  # from 1
    "accession",
    "representative",
    "similarity",
    "evidence",
    "decided",
    "width",
    "height",
    "caption",
    "caption_en",
    "known_group",
    "split",
]


@dataclass(frozen=True)
class Summary:
    """The counts of an archive: files are counted as files, images by their image_id (exact copies once).

    Attributes:
        threshold: mean probability from which images were put together.
        rule: how the threshold was found, one sentence.
        promise: which promise holds for the groups, and how many wrong pairs are to be expected.
        expected_precision: share of right pairs in groups by their probabilities; None where no pair was looked at.
        doubts: pairs that a person should look at.
    """

    files: int
    rejected: int
    images: int
    groups: int
    images_in_groups: int
    files_in_groups: int
    groups_across_accessions: int
    threshold: float
    rule: str
    promise: str
    expected_precision: float | None
    doubts: int


def report_rows(
    groups: pd.DataFrame, manifest: pd.DataFrame, groundtruth: pd.DataFrame, *, decided: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Returns a row for each file (each page of a file) of a group, exact copies too.

    Args:
        groups: as ``cbir.groups.grouping.group_images`` gives it.
        manifest: as ``cbir.archive.manifest.read_manifest`` gives it.
        groundtruth: image_id, group_id, split, caption, caption_en of what is known.
        decided: by image_id what people decided of its pairs, in words.

    Returns:
        ``COLUMNS`` and image_id, format. The group with most images first, then most files, then by group_id; in a
        group the representative first, then the nearest to the others; the copies of an image behind it, with the
        evidence ``exact copy``.
    """
    files = manifest.loc[manifest["status"] == "ok"]
    files = files[["image_id", "path", "page", "accession", "width", "height", "format"]]
    known = groundtruth.rename(columns={"group_id": "known_group"})
    known = known[["image_id", "known_group", "split", "caption", "caption_en"]]
    rows = groups.merge(files, on="image_id").merge(known, on="image_id", how="left")
    rows = rows.rename(columns={"path": "file"})
    rows["page"] = rows["page"].astype("int64") + 1
    by_group = rows.groupby("group_id")
    rows["images"], rows["files"] = by_group["image_id"].transform("nunique"), by_group["file"].transform("size")
    rows = rows.sort_values(
        ["images", "files", "group_id", "representative", "similarity", "image_id", "accession", "file", "page"],
        ascending=[False, False, True, False, False, True, True, True, True],
        ignore_index=True,
    )
    rows["group"] = rows["group_id"].ne(rows["group_id"].shift()).cumsum()
    rows.loc[rows.duplicated("image_id"), "evidence"] = "exact copy"
    rows["decided"] = pd.Series([(decided or {}).get(image) for image in rows["image_id"]], rows.index, dtype="str")
    return rows[[*COLUMNS, "image_id", "format"]]


def summarise(
    manifest: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    threshold: float,
    rule: str,
    promise: str,
    expected_precision: float | None,
    doubts: int,
) -> Summary:
    """Counts what the manifest and the rows of ``report_rows`` hold; the rest is as :class:`Summary` says."""
    usable = manifest["status"] == "ok"
    return Summary(
        files=manifest["path"].nunique(),
        rejected=manifest.loc[~usable, "path"].nunique(),
        images=manifest.loc[usable, "image_id"].nunique(),
        groups=rows["group_id"].nunique(),
        images_in_groups=rows["image_id"].nunique(),
        files_in_groups=rows["file"].nunique(),
        groups_across_accessions=int((rows.groupby("group_id")["accession"].nunique() > 1).sum()),
        threshold=threshold,
        rule=rule,
        promise=promise,
        expected_precision=expected_precision,
        doubts=doubts,
    )


def in_words(numbers: Mapping[str, Any]) -> str:
    """Says what the numbers of :func:`group_numbers` mean, in the words of page, workbook and terminal.

    A number that is not known is left out. No share is rounded up.
    """
    parts = [f"{_counted(numbers['groups'], 'group')} of {_counted(numbers['images_in_groups'], 'image')}"]
    if (right := numbers.get("expected_precision")) is not None:
        parts.append(f"by their probabilities about {min(int(100 * right), 99)} of 100 pairs are right")
    if (doubts := numbers.get("pairs_in_doubt")) is not None:
        parts.append(f"{_counted(doubts, 'pair')} {'needs' if doubts == 1 else 'need'} your look")
    return "; ".join(parts)


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name if number == 1 else name + 's'}"


def group_numbers(summary: Summary) -> dict[str, float | None]:
    """Returns the numbers of a summary that are about groups."""
    return {
        "groups": summary.groups,
        "images_in_groups": summary.images_in_groups,
        "files_in_groups": summary.files_in_groups,
        "groups_across_accessions": summary.groups_across_accessions,
        "threshold": summary.threshold,
        "expected_precision": summary.expected_precision,
        "pairs_in_doubt": summary.doubts,
    }


def write_groups_csv(path: Path, rows: pd.DataFrame) -> None:
    """Writes all rows as a CSV for people."""
    representative = rows["representative"].map({True: "yes", False: ""})
    write_csv(path, rows[COLUMNS].assign(representative=representative), prose=("caption", "caption_en"))
