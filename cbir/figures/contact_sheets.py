"""Draws contact sheets as PNG: queries with their neighbours by rank, right and wrong ones framed, and what they
missed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from cbir.base.display import visible

Verdict = Literal["query", "right", "wrong", "neither"]
Read = Callable[[int], NDArray[np.uint8] | None]  # pixels of the image at a position, None where it cannot be read

_PICTURE, _FRAME, _GAP = 128, 5, 14  # px
_CAPTION, _HEAD = 38, 104
_CELL = _PICTURE + 2 * _FRAME
_NARROWEST = 860
_WHITE, _INK, _QUIET, _EMPTY = "#FFFFFF", "#222222", "#6A6A6A", "#ECECEC"
# Green and red are told apart without colour too: by lightness, and wrong ones carry a cross.
_FRAMES: dict[Verdict, str] = {"query": _INK, "right": "#0A9B5B", "wrong": "#B3123B", "neither": "#B5B5B5"}


@dataclass(frozen=True)
class Picture:
    """A picture of a row.

    Attributes:
        position: of the image in the task's ids.
        verdict: ``neither`` is a wrong neighbour where nothing right was left to find, or where nothing is known.
        text: the line below it, above the file's name.
    """

    position: int
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Row:
    """A query, its neighbours from rank 1, and right images that are not among those, the most similar first."""

    query: Picture
    neighbours: tuple[Picture, ...]
    missed: tuple[Picture, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return (self.query, *self.neighbours, *self.missed)


@dataclass(frozen=True)
class Sheet:
    """The rows under a title; ``name`` is the file's, without extension. There is at least one row.

    ``heading`` explains the pictures beside the queries, and the text below them.
    """

    name: str
    title: str
    subtitle: str
    rows: tuple[Row, ...]
    heading: str = "neighbours: rank · cosine similarity"


def draw_sheet(sheet: Sheet, path: Path, *, read: Read, names: Sequence[str]) -> None:
    """Writes a sheet as PNG.

    Args:
        read: gives the pixels of an image by its position.
        names: file names by position, shortened where they are too long.
    """
    missed = max(len(row.missed) for row in sheet.rows)
    shown = max(len(row.neighbours) for row in sheet.rows)
    lefts = [_GAP + column * (_CELL + _GAP) + _GAP * (column > 0) + _GAP * (column > shown) for column in range(13)]
    width = max(lefts[1 + shown + missed], _NARROWEST)
    height = _HEAD + len(sheet.rows) * (_CELL + _CAPTION + _GAP)
    canvas = Image.new("RGB", (width, height), _WHITE)
    draw = ImageDraw.Draw(canvas)
    draw.text((_GAP, 10), sheet.title, font=_font(22, bold=True), fill=_INK)
    draw.text((_GAP, 42), sheet.subtitle, font=_font(13), fill=_QUIET)
    heads = [(lefts[0], "query"), (lefts[1], sheet.heading)]
    heads += [(lefts[1 + shown], "missed: cosine")] * bool(missed)
    for left, text in heads:
        draw.text((left, _HEAD - 24), text, font=_font(13, bold=True), fill=_INK)
    for number, row in enumerate(sheet.rows):
        top = _HEAD + number * (_CELL + _CAPTION + _GAP)
        pictures = zip([*lefts[: 1 + len(row.neighbours)], *lefts[1 + shown :]], row.pictures, strict=False)
        for left, picture in pictures:
            _paste(canvas, draw, picture, (left, top), read(picture.position), names[picture.position])
    canvas.save(path, "PNG")


def _paste(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    picture: Picture,
    corner: tuple[int, int],
    pixels: NDArray[np.uint8] | None,
    name: str,
) -> None:
    left, top = corner
    right, bottom = left + _CELL - 1, top + _CELL - 1
    draw.rectangle((left, top, right, bottom), fill=_EMPTY, outline=_FRAMES[picture.verdict], width=_FRAME)
    inner = (left + _FRAME, top + _FRAME)
    if pixels is None:
        draw.text((inner[0] + 22, inner[1] + 54), "not readable", font=_font(13), fill=_QUIET)
    else:
        small = ImageOps.contain(Image.fromarray(pixels).convert("RGB"), (_PICTURE, _PICTURE), Image.Resampling.LANCZOS)
        canvas.paste(small, (inner[0] + (_PICTURE - small.width) // 2, inner[1] + (_PICTURE - small.height) // 2))
    if picture.verdict == "wrong":
        box = (right - 22, top + _FRAME, right - _FRAME, top + 22)
        draw.rectangle(box, fill=_FRAMES["wrong"])
        draw.line((box[0] + 5, box[1] + 5, box[2] - 5, box[3] - 5), fill=_WHITE, width=2)
        draw.line((box[0] + 5, box[3] - 5, box[2] - 5, box[1] + 5), fill=_WHITE, width=2)
    draw.text((left, bottom + 4), picture.text, font=_font(13, bold=True), fill=_INK)
    draw.text((left, bottom + 21), shortened(name, _font(11), _CELL), font=_font(11), fill=_QUIET)


def shortened(name: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Returns a name that is at most ``width`` px long; what does not fit is cut from its middle, the extension
    stays.

    Control characters are shown: the layout engine refuses a text with a line break of whatever kind.
    """
    name = visible(name)
    if font.getlength(name) <= width:
        return name
    for kept in range(len(name) - 1, 1, -1):
        cut = f"{name[: kept - kept // 2]}…{name[len(name) - kept // 2 :]}"
        if font.getlength(cut) <= width:
            return cut
    return "…"


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"), size)
