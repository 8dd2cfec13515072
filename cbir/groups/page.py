"""Writes the report as one HTML page that opens from disk: no server, no network, everything it shows is inside."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from cbir.display import visible_prose
from cbir.groups.rows import Summary
from cbir.reports.html import write_html
from cbir.reports.thumbnails import Thumbnail

_BROWSERS_SHOW = {"JPEG", "PNG", "WebP", "GIF", "BMP"}
_MOST_PIXELS = 60_000_000  # of an original that the page shows when a picture is enlarged
_NEAR = 0.25  # of the way from the threshold to 1: a group whose weakest image lies below is worth a second look


@dataclass(frozen=True)
class Link:
    """A link to a file beside the page."""

    title: str
    href: str


def write_page(
    path: Path,
    rows: pd.DataFrame,
    thumbnails: Mapping[str, Thumbnail],
    *,
    summary: Summary,
    links: Sequence[Link],
    archive: str,
    thumbnail_side: int,
) -> None:
    """Writes the page of the groups in ``rows``.

    Args:
        rows: of ``cbir.groups.rows.report_rows``, those of the groups that the page shows.
        thumbnails: by image_id, of every image in ``rows``.
        links: files beside the page, by relative addresses.
        archive: the folder of the images, relative to the page's: there, enlarged pictures are looked for.
        thumbnail_side: px, of the box in which the page shows a picture.
    """
    near = summary.threshold + (1 - summary.threshold) * _NEAR
    groups = _groups(rows, thumbnails)
    document = {"archive": archive, "near": round(near, 4), "side": thumbnail_side, "groups": groups}
    write_html(
        path,
        "report.html",
        styles=("page.css", "report.css"),
        script="report.js",
        summary=summary,
        shown=len(groups),
        near=near,
        links=links,
        known=bool(rows["known_group"].notna().any()),
        document=Markup(_inert(document)),
    )


def _groups(rows: pd.DataFrame, thumbnails: Mapping[str, Thumbnail]) -> list[dict[str, Any]]:
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return [
        {
            "id": group_id,
            "number": number,
            "images": [_image(list(files), thumbnails) for _, files in groupby(of_group, itemgetter("image_id"))],
        }
        for (number, group_id), of_group in groupby(records, itemgetter("group", "group_id"))
    ]


def _image(files: list[dict[str, Any]], thumbnails: Mapping[str, Thumbnail]) -> dict[str, Any]:
    """Returns an image with all files that hold it; texts that are not known are left out."""
    first = files[0]
    shown_by_browsers = first["format"] in _BROWSERS_SHOW and first["page"] == 1
    image = {
        "id": first["image_id"],
        "files": [[file["file"], file["page"], file["accession"]] for file in files],
        "width": int(first["width"]),
        "height": int(first["height"]),
        "similarity": round(first["similarity"], 4),
        "best": bool(first["representative"]),
        "original": shown_by_browsers and first["width"] * first["height"] <= _MOST_PIXELS,
        "picture": base64.b64encode(thumbnails[first["image_id"]].page).decode("ascii"),
    }
    texts = {"caption": "caption", "translation": "caption_en", "known": "known_group", "split": "split"}
    return image | {name: visible_prose(first[column]) for name, column in texts.items() if first[column] is not None}


def _inert(document: dict[str, Any]) -> str:
    """Writes JSON that is safe inside a script element, whatever its texts are."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")  # nothing can end the element
