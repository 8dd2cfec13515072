"""Shows the ranks of altered copies to people: a page that opens from disk, and a contact sheet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbir.base.files import writing
from cbir.figures.contact_sheets import Picture, Row, Sheet, draw_sheet
from cbir.reports.html import picture, write_html
from cbir.reports.thumbnails import recipe, thumbnail
from cbir.robustness.alterations import KINDS
from cbir.robustness.measuring import Robustness
from cbir.store import Store

SHOWN = 300  # images on the page; 6 pictures of 160 px each make 8 MB
ON_SHEET = 8
_NEAR = 10  # ranks that a person looks at
_SIDE = 160  # px, of a picture on the page

Read = Callable[[int, str], NDArray[np.uint8]]  # pixels of the image in that row: of a kind's copy, or (empty) its own
Name = Callable[[int, str], str]  # the key of a store for those pixels


@dataclass(frozen=True)
class Kept:
    """The store of small pictures, so that a page of the same ones costs nothing, and the name of each in it."""

    store: Store
    name: Name


def write_page(
    path: Path, measured: Robustness, numbers: Mapping[str, Any], *, read: Read, kept: Kept | None = None
) -> None:
    """Writes the page: the figures by kind, then the images, those whose copies came back worst first.

    Args:
        numbers: the content of robustness.json.
        read: gives the pixels, which are read one image at a time.
        kept: pictures of earlier pages.
    """
    images = [_image(measured, row, partial(_picture, row, read, kept)) for row in hardest(measured)[:SHOWN]]
    write_html(
        path,
        "robustness.html",
        styles=("page.css", "tables.css", "robustness.css"),
        numbers=numbers,
        kinds=["", *(f"_{kind}" for kind in KINDS)],
        images=images,
        near=_NEAR,
    )


def write_sheet(path: Path, measured: Robustness, *, read: Read) -> None:
    """Writes the images whose copies came back worst as one PNG, each beside its copies with their ranks."""
    order, kinds = hardest(measured)[:ON_SHEET], ["", *KINDS]
    rows = []
    for place, row in enumerate(order):
        copies = [
            Picture(place * len(kinds) + column, "right" if rank == 1 else "wrong", f"{rank:,} · {similarity:.3f}")
            for column, (rank, similarity) in enumerate(
                zip(measured.rank[row], measured.similarity[row], strict=True), 1
            )
        ]
        rows.append(Row(Picture(place * len(kinds), "query", "original"), tuple(copies)))
    subtitle = "altered copies that came back furthest behind; frames: green first, red behind other pictures"
    sheet = Sheet("robustness", "Hardest images", subtitle, tuple(rows), "copies: rank · cosine similarity")
    names = [kind or Path(measured.images["path"].iloc[row]).name for row in order for kind in kinds]

    def pixels(position: int) -> NDArray[np.uint8]:
        place, column = divmod(position, len(kinds))
        return read(order[place], kinds[column])

    with writing(path) as temporary:
        draw_sheet(sheet, temporary, read=pixels, names=names)


def hardest(measured: Robustness) -> list[int]:
    """Returns the rows of the images, by rising mean of 1 / rank of their copies."""
    return np.lexsort((measured.images["path"].to_numpy(dtype=str), measured.reciprocal)).tolist()


def _image(measured: Robustness, row: int, drawn: Callable[[str], str]) -> dict[str, Any]:
    file = measured.images.iloc[row]
    copies = [
        {"kind": kind, "rank": int(rank), "similarity": float(similarity), "picture": drawn(kind)}
        for kind, rank, similarity in zip(KINDS, measured.rank[row], measured.similarity[row], strict=True)
    ]
    return {
        "path": file["path"],
        "page": int(file["page"]) + 1,
        "picture": drawn(""),
        "copies": copies,
    }


def _picture(row: int, read: Read, kept: Kept | None, kind: str) -> str:
    key = f"{kept.name(row, kind)}/{recipe(_SIDE)}" if kept else ""
    page = kept.store.get(key) if kept else None
    if page is None:
        page = thumbnail(read(row, kind), page_side=_SIDE, sheet_side=_SIDE).page
        if kept:
            kept.store.put_many([(key, page)])
    return picture(page, "webp")
