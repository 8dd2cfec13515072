"""Reads the reports of arrivals for the pages: what landed, the surest finds first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbir.arrivals.page import NEAR, read_arrivals_csv
from cbir.base.errors import UserError
from cbir.serving.review.findings import Findings
from cbir.serving.review.ledger import Pair

MOST_OTHERS = 4  # further pairs beside the best one


@dataclass(frozen=True)
class Find:
    """A new image with what it is like.

    Attributes:
        best: it, and the image with which it is most probably the same photograph.
        others: further images like it, the most probable first, MOST_OTHERS at most; ``more``: how many there are yet.
        sure: the program put it together with the best one without a doubt.
    """

    best: Pair
    others: Sequence[str]
    more: int
    sure: bool


@dataclass(frozen=True)
class Landed:
    """Holds a report of arrivals, as far as its images are still in the archive.

    Attributes:
        name: of the report, that of the last accession.
        finds: new images that are like others, the surest first.
        copies: new files with the bytes of another one, and that one.
        alone: new images without relatives.
        refused: new files that cannot be used, and why.
    """

    name: str
    finds: Sequence[Find]
    copies: Sequence[tuple[str, str]]
    alone: Sequence[str]
    refused: Sequence[tuple[str, str]]


def report_names(folder: Path) -> list[str]:
    """Lists the reports of arrivals, the newest first."""
    return sorted((path.stem for path in folder.glob("*.csv")), reverse=True)


def read_report(folder: Path, name: str, findings: Findings) -> Landed:
    """Reads a report.

    Raises:
        UserError: there is none of this name, or it cannot be read.
    """
    if name not in report_names(folder):
        raise UserError(f"{name}: no report of arrivals has this name; look at the list again")
    table = read_arrivals_csv(folder / f"{name}.csv")
    copies = table[table["finding"] == "exact copy"]
    old = copies.loc[
        ~copies["other_file"].isin(table["file"]), "image_id"
    ]  # the archive had them: only their file is new
    known = table[table["image_id"].map(lambda image: image in findings) & ~table["image_id"].isin(old)]
    near = known[known["finding"].isin(NEAR) & known["other_id"].map(lambda image: image in findings)]
    by_image = near.drop_duplicates(["image_id", "other_id"]).groupby("image_id", sort=False)
    refused = table[~table["finding"].isin((*NEAR, "exact copy", "none"))]
    return Landed(
        name=name,
        finds=[_find(str(image), rows.to_dict("records")) for image, rows in by_image],
        copies=list(zip(copies["file"], copies["other_file"], strict=True)),
        alone=known.loc[known["finding"] == "none", "image_id"].drop_duplicates().tolist(),
        refused=list(zip(refused["file"], refused["finding"], strict=True)),
    )


def _find(image: str, rows: list[dict[str, Any]]) -> Find:
    best, *others = rows
    shown = [row["other_id"] for row in others[:MOST_OTHERS]]
    sure = best["finding"] == NEAR[0] and not best["look"]
    return Find((image, best["other_id"]), shown, len(others) - len(shown), sure)
