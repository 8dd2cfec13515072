"""The report as one HTML page that opens from disk: no server, no network, everything it shows is inside."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cbir.files import writing
from cbir.report import Summary
from cbir.thumbnails import Thumbnail

_TEMPLATES = Path(__file__).parent / "templates"
_BROWSERS_SHOW = {"JPEG", "PNG", "WebP", "GIF", "BMP"}
_MOST_PIXELS = 60_000_000  # of an original that the page shows when a picture is enlarged
_NEAR = 0.25  # of the way from the threshold to 1: a group whose weakest image lies below is worth a second look
_INERT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}  # in JSON: no text can end the element


@dataclass(frozen=True)
class Link:
    """A file beside the page."""

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
    """Write the page of the groups in ``rows``.

    Args:
        rows: of ``cbir.report.report_rows``, those of the groups that the page shows.
        thumbnails: by image_id, of every image in ``rows``.
        links: files beside the page, by relative addresses.
        archive: the folder of the images, relative to the page's: there, enlarged pictures are looked for.
        thumbnail_side: px, of the box in which the page shows a picture.
    """
    near = summary.threshold + (1 - summary.threshold) * _NEAR
    document = {
        "archive": archive,
        "near": round(near, 4),
        "side": thumbnail_side,
        "groups": [_group(group, thumbnails) for _, group in rows.groupby("group", sort=True)],
    }
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template("report.html").render(
        summary=summary,
        shown=len(document["groups"]),
        near=near,
        links=links,
        known=bool(rows["known_group"].notna().any()),
        style=Markup(style),  # noqa: S704  a file of this package
        style_digest=_digest(style),
        script=Markup(script),  # noqa: S704  a file of this package
        script_digest=_digest(script),
        document=Markup(_inert(document)),  # noqa: S704  escaped there
    )
    with writing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _group(rows: pd.DataFrame, thumbnails: Mapping[str, Thumbnail]) -> dict[str, Any]:
    return {
        "id": rows["group_id"].iloc[0],
        "number": int(rows["group"].iloc[0]),
        "images": [_image(files, thumbnails) for _, files in rows.groupby("image_id", sort=False)],
    }


def _image(files: pd.DataFrame, thumbnails: Mapping[str, Thumbnail]) -> dict[str, Any]:
    """An image with all files that hold it; texts that are not known are left out."""
    first = files.iloc[0]
    image = {
        "id": first["image_id"],
        "files": files[["file", "page", "accession"]].to_numpy().tolist(),
        "width": int(first["width"]),
        "height": int(first["height"]),
        "similarity": round(float(first["similarity"]), 4),
        "best": bool(first["representative"]),
        "original": bool(
            first["format"] in _BROWSERS_SHOW and first["page"] == 1 and first["width"] * first["height"] <= _MOST_PIXELS
        ),
        "picture": base64.b64encode(thumbnails[first["image_id"]].page).decode("ascii"),
    }
    texts = {"caption": "caption", "translation": "caption_en", "known": "known_group", "split": "split"}
    return image | {name: str(first[column]) for name, column in texts.items() if pd.notna(first[column])}


def _inert(document: dict[str, Any]) -> str:
    """JSON that is safe inside a script element, whatever the texts in it are."""
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_INERT)


def _digest(text: str) -> str:
    """What the page's Content-Security-Policy names an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
