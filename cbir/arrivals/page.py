"""Writes the arrival report: a page that opens from disk, a table for spreadsheets, and a summary to send."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.arrivals.changes import PAIRS, Arrivals
from cbir.arrivals.survey import Skipped
from cbir.base.errors import UserError
from cbir.reports.html import write_html
from cbir.reports.thumbnails import address
from cbir.spreadsheet import as_markdown, write_csv

THUMBNAILS = "thumbnails"  # the folder beside the page
MOST_SHOWN = 400  # new images on the page; the table has all
MOST_BESIDE = 5  # images beside a new one
MOST_TOLD = 200  # pairs in a summary
NEAR = ("near-duplicate", "possible")
CHANGED = {
    "merged": "Groups merged",
    "split": "Groups split",
    "new": "New groups",
    "grew": "Groups that grew",
    "shrank": "Groups that shrank",
    "renamed": "Groups with a new first member",
    "dissolved": "Groups dissolved",
}


@dataclass(frozen=True)
class Occasion:
    """Describes what the report is about.

    Attributes:
        name: of the last accession that came.
        threshold: probability from which images were put together.
        left: files that stayed in the landing folder, and why.
        waiting: files that may still be on their way there.
    """

    name: str
    threshold: float
    left: Sequence[Skipped] = ()
    waiting: Sequence[Skipped] = ()


def shown_images(arrivals: Arrivals) -> list[str]:
    """Lists the image_ids whose thumbnails :func:`write_arrivals_page` needs."""
    rows = _related(arrivals).groupby(_KEY, sort=False).head(MOST_BESIDE)
    return list(dict.fromkeys([*rows["image_id"], *rows["other_id"]]))


def write_arrivals_page(
    path: Path,
    arrivals: Arrivals,
    occasion: Occasion,
    *,
    captions: Mapping[str, str],
) -> None:
    """Writes the page; the thumbnails of :func:`shown_images` are in the folder ``THUMBNAILS`` beside it.

    Args:
        captions: by image_id, of those that have one.
    """
    rows = _related(arrivals)
    cards = [_card(list(image.to_dict("records")), captions) for _, image in rows.groupby(_KEY, sort=False)]
    others = arrivals.pairs[~arrivals.pairs["finding"].isin(NEAR)]
    refused = others[~others["finding"].isin(("none", "exact copy"))]
    write_html(
        path,
        "arrivals.html",
        styles=("page.css", "tables.css", "robustness.css", "arrivals.css"),
        occasion=occasion,
        arrivals=arrivals,
        near=arrivals.count("near-duplicate"),
        copies=_rows(others[others["finding"] == "exact copy"]),
        alone=_rows(others[others["finding"] == "none"]),
        rejected=_rows(refused.assign(why=refused["finding"])),
        left=_skipped(occasion.left),
        waiting=_skipped(occasion.waiting),
        certain=[card for card in cards if not card["beside"][0]["look"]],
        doubtful=[card for card in cards if card["beside"][0]["look"]],
        hidden=_count_related(arrivals) - len(cards),
        changes=[(title, _changes(arrivals, kind)) for kind, title in CHANGED.items() if _changes(arrivals, kind)],
    )


_KEY = ["file", "page"]


def _related(arrivals: Arrivals) -> pd.DataFrame:
    """Selects the pairs that the page shows with pictures: all of each new image, the surest first."""
    rows = arrivals.pairs[arrivals.pairs["finding"].isin(NEAR)]
    firsts = rows[_KEY].drop_duplicates().head(MOST_SHOWN)
    return firsts.merge(rows, on=_KEY)


def _count_related(arrivals: Arrivals) -> int:
    return len(arrivals.pairs.loc[arrivals.pairs["finding"].isin(NEAR), _KEY].drop_duplicates())


def _card(rows: list[dict[str, Any]], captions: Mapping[str, str]) -> dict[str, Any]:
    first = rows[0]
    beside = [
        {
            "file": row["other_file"],
            "page": row["other_page"],
            "picture": f"{THUMBNAILS}/{address(row['other_id'])}",
            "probability": None if pd.isna(row["probability"]) else row["probability"],
            "together": row["finding"] == "near-duplicate",
            "look": row["look"],
            "caption": captions.get(row["other_id"]),
        }
        for row in rows[:MOST_BESIDE]
    ]
    return {
        "file": first["file"],
        "page": first["page"],
        "picture": f"{THUMBNAILS}/{address(first['image_id'])}",
        "caption": captions.get(first["image_id"]),
        "group": first["group"],
        "group_id": first["group_id"],
        "look": sum(bool(row["look"]) for row in rows),
        "beside": beside,
        "more": len(rows) - len(beside),
    }


def _rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(row) for row in rows.to_dict("records")]


def _skipped(files: Sequence[Skipped]) -> list[dict[str, Any]]:
    return [{"file": file.path, "page": 1, "why": file.reason} for file in files]


def _changes(arrivals: Arrivals, kind: str) -> list[dict[str, Any]]:
    return _rows(arrivals.groups[arrivals.groups["change"] == kind])


def write_arrivals_csv(path: Path, arrivals: Arrivals) -> None:
    """Writes all pairs as a CSV for people."""
    table = arrivals.pairs[PAIRS].astype({"page": "Int64", "other_page": "Int64"})
    write_csv(path, table.assign(look=table["look"].map({True: "yes", False: ""})))


def read_arrivals_csv(path: Path) -> pd.DataFrame:
    """Reads what :func:`write_arrivals_csv` wrote; texts are as they stand there, ``look`` is a truth value.

    Raises:
        UserError: there is no such table.
    """
    try:
        table = pd.read_csv(path, dtype={name: "str" for name in PAIRS if name != "probability"}, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no report of arrivals that can be read ({error})") from error
    return table.assign(look=table["look"].eq("yes"))


def in_a_sentence(arrivals: Arrivals) -> str:
    """Puts the counts into a sentence."""
    copies = _of(arrivals.count("exact copy"), "exact copy", "exact copies")
    return (
        f"{_of(arrivals.files, 'new image')}: {arrivals.count('near-duplicate')} with near-duplicates, {copies}, "
        f"{arrivals.rejected} rejected; {_of(arrivals.doubtful, 'pair')} to look at"
    )


def _of(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def as_markdown_summary(arrivals: Arrivals, occasion: Occasion, report: Path) -> str:
    """Writes the summary for a page that shows Markdown."""
    lines = [f"# {occasion.name}", "", in_a_sentence(arrivals) + ".", ""]
    rows = arrivals.pairs[arrivals.pairs["finding"].isin(NEAR)].head(30)
    if len(rows):
        lines += ["| new | like | probability | |", "|---|---|---|---|"]
    for row in rows.to_dict("records"):
        look = "look" if row["look"] else ""
        files = f"{as_markdown(row['file'])} | {as_markdown(row['other_file'])}"
        lines.append(f"| {files} | {_number(row['probability'])} | {look} |")
    return "\n".join([*lines, "", f"All of it: {report}"])


def _number(probability: float) -> str:
    return "" if pd.isna(probability) else f"{probability:.3f}"


def as_summary(arrivals: Arrivals, occasion: Occasion, report: Path) -> dict[str, Any]:
    """Makes the summary for programs, which JSON can hold: counts, and pairs, ``MOST_TOLD`` of them at most."""
    rows = arrivals.pairs[arrivals.pairs["finding"].isin(NEAR)].head(MOST_TOLD)
    pairs = [
        {
            "file": row["file"],
            "other_file": row["other_file"],
            "probability": None if pd.isna(row["probability"]) else round(float(row["probability"]), 4),
            "look": bool(row["look"]),
            "together": row["finding"] == "near-duplicate",
        }
        for row in rows.to_dict("records")
    ]
    return {
        "accession": occasion.name,
        "new_images": arrivals.files,
        "near_duplicates": arrivals.count("near-duplicate"),
        "exact_copies": arrivals.count("exact copy"),
        "rejected": arrivals.rejected,
        "to_look_at": arrivals.doubtful,
        "pairs": pairs,
        "left": [asdict(skipped) for skipped in occasion.left[:MOST_TOLD]],
        "waiting": [asdict(skipped) for skipped in occasion.waiting[:MOST_TOLD]],
        "report": str(report),
    }
