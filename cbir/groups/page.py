"""Writes the report as an HTML page that opens from disk: no server, no network, pictures in files beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from cbir.base.display import visible_prose
from cbir.groups.rows import Summary, group_numbers, in_words
from cbir.reports.html import write_html

_BROWSERS_SHOW = {"JPEG", "PNG", "WebP", "GIF", "BMP"}
_MOST_PIXELS = 60_000_000  # of an original that the page shows when a picture is enlarged
_BYTES = 1_700_000  # of the groups on the page; with all else the page stays below 2 MB
_CAPTIONS = ("caption", "translation")
_CAPTION_LENGTHS = (10_000, 1_000, 500, 250, 120, 60, 30)  # characters
_NEAR = 0.25  # of the way from the threshold to 1: a group whose weakest image lies below is worth a second look


@dataclass(frozen=True)
class Link:
    """A link to a file beside the page."""

    title: str
    href: str


def write_page(
    path: Path,
    rows: pd.DataFrame,
    *,
    summary: Summary,
    links: Sequence[Link],
    archive: str,
    thumbnail_side: int,
) -> None:
    """Writes the page of the groups in ``rows``; thumbnails and the pages of the groups are beside it.

    With very many images the page holds the beginnings of the captions; the page of a group has them whole.

    Args:
        rows: of ``cbir.groups.rows.report_rows``, those of the groups that the page shows.
        links: files beside the page, by relative addresses.
        archive: the folder of the images, relative to the page's: there, enlarged pictures are looked for.
        thumbnail_side: px, of the box in which the page shows a picture.
    """
    near = summary.threshold + (1 - summary.threshold) * _NEAR
    accessions = sorted(rows["accession"].unique())
    groups = _fitting(_groups(rows, accessions))
    document = {"archive": archive, "near": round(near, 4), "side": thumbnail_side, "accessions": accessions}
    write_html(
        path,
        "report.html",
        styles=("page.css", "report.css"),
        script="report.js",
        summary=summary,
        in_short=in_words(group_numbers(summary)),
        shown=[(group["number"], group["id"], len(group["images"])) for group in groups],
        near=near,
        links=links,
        known=bool(rows["known_group"].notna().any()),
        document=Markup(_inert(document | {"groups": groups})),
    )


def _groups(rows: pd.DataFrame, accessions: list[str]) -> list[dict[str, Any]]:
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    place = {accession: at for at, accession in enumerate(accessions)}
    return [
        {
            "id": group_id,
            "number": number,
            "images": [_image(list(files), place) for _, files in groupby(of_group, itemgetter("image_id"))],
        }
        for (number, group_id), of_group in groupby(records, itemgetter("group", "group_id"))
    ]


def _image(files: list[dict[str, Any]], accessions: Mapping[str, int]) -> dict[str, Any]:
    """Returns an image with all files that hold it; what is not so, and texts that are not known, are left out."""
    first = files[0]
    shown_by_browsers = first["format"] in _BROWSERS_SHOW and first["page"] == 1
    image = {
        "id": first["image_id"],
        "files": [[file["file"], file["page"], accessions[file["accession"]]] for file in files],
        "size": [int(first["width"]), int(first["height"])],
        "similarity": round(first["similarity"], 4),
    }
    facts = {
        "best": first["representative"],
        "original": shown_by_browsers and first["width"] * first["height"] <= _MOST_PIXELS,
    }
    image |= {name: 1 for name, is_so in facts.items() if is_so}
    texts = {"caption": "caption", "translation": "caption_en", "known": "known_group"}
    return image | {name: visible_prose(first[column]) for name, column in texts.items() if first[column] is not None}


def _fitting(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cuts captions to the first of ``_CAPTION_LENGTHS`` at which the groups take ``_BYTES``, or to the last."""
    for most in _CAPTION_LENGTHS:
        cut = [group | {"images": [_cut(image, most) for image in group["images"]]} for group in groups]
        if len(_inert({"groups": cut})) <= _BYTES:
            break
    return cut


def _cut(image: dict[str, Any], most: int) -> dict[str, Any]:
    long = {name: image[name] for name in _CAPTIONS if len(image.get(name, "")) > most}
    return image | {name: text[:most].rstrip() + "…" for name, text in long.items()}


def _inert(document: dict[str, Any]) -> str:
    """Writes JSON that is safe inside a script element, whatever its texts are."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")  # nothing can end the element
