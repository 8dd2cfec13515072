"""Draws the printed text around photographs: pages in several layouts and captions, rendered once and sampled at
random.
"""

import functools
import random
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

SHEET: Final = 1024  # px, side of one drawn sheet of text

# fmt: off
_SYLLABLES: Final = [
    "an", "ba", "ber", "ca", "cen", "con", "da", "de", "der", "di", "do", "du", "el", "en", "er", "es", "et", "fa",
    "fi", "fra", "ga", "ge", "go", "hau", "ier", "il", "in", "ka", "la", "le", "les", "lo", "lu", "ma", "me", "mi",
    "mo", "na", "ne", "no", "nou", "on", "or", "ou", "pa", "par", "pe", "pi", "po", "pré", "qu", "ra", "re", "ri",
    "ro", "ru", "sa", "se", "si", "so", "su", "ta", "te", "ti", "to", "tou", "tra", "tu", "un", "ur", "va", "ve",
    "vi", "vo", "za",
]
# fmt: on


def _words(draw: random.Random) -> Iterator[str]:
    """Yields words of no language, with the commas, stops and capitals of prose."""
    start = True
    while True:
        word = "".join(draw.choices(_SYLLABLES, k=draw.choice((1, 1, 2, 2, 3, 3, 4))))
        end = draw.choices(("", ",", "."), weights=(10, 1, 1))[0]
        yield (word.capitalize() if start else word) + end
        start = end == "."


class _Sheet:
    """Typesets a page in black on white."""

    def __init__(self, *, seed: int, height: int = SHEET) -> None:
        self.random = random.Random(seed)
        self.words = _words(self.random)
        self.image = Image.new("L", (SHEET, height), 255)
        self.pen = ImageDraw.Draw(self.image)

    def line(
        self, x: float, y: float, width: float, *, size: int, justify: bool = False, bold: int = 0, ink: int = 0
    ) -> None:
        """Sets a line of text at most ``width`` px wide, or exactly as wide where it is justified."""
        line: list[str] = []
        space, length = _length(" ", size), 0.0
        for word in self.words:
            if line and length + space + _length(word, size) > width:
                break
            length += _length(word, size) + (space if line else 0)
            line.append(word)
        if justify and len(line) > 1:
            space += (width - length) / (len(line) - 1)
        for word in line:
            self.pen.text((x, y), word, font=_font(size), fill=ink, stroke_width=bold)
            x += _length(word, size) + space

    def column(
        self, x: float, y: float, width: float, bottom: float, *, size: int, leading: float, justify: bool
    ) -> None:
        """Sets paragraphs from ``y`` to ``bottom``."""
        step, left = size * leading, 0
        while y + step <= bottom:
            if left <= 0:
                left = self.random.randint(4, 14)
                self.line(x + size, y, width - size, size=size, justify=justify)
            else:
                last = 0.3 + 0.6 * self.random.random() if left == 1 else 1.0
                self.line(x, y, width * last, size=size, justify=justify and left > 1)
            y, left = y + step, left - 1


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


@functools.cache
def _length(word: str, size: int) -> float:
    return _font(size).getlength(word)


def _columns(sheet: _Sheet) -> None:
    """Sets a daily paper: five narrow justified columns with rules between them and headlines here and there."""
    pitch = SHEET / 5
    for number in range(5):
        x, y = number * pitch + 8, -sheet.random.uniform(0, 40)
        sheet.pen.line([(x - 8, 0), (x - 8, SHEET)], fill=40, width=2)
        while y < SHEET:
            for _ in range(sheet.random.randint(0, 2)):
                sheet.line(x, y, pitch - 16, size=26, bold=1)
                y += 32
            bottom = y + sheet.random.uniform(120, 420)
            sheet.column(x, y, pitch - 16, min(bottom, SHEET + 20), size=14, leading=1.2, justify=True)
            sheet.pen.line([(x + 60, bottom + 8), (x + pitch - 76, bottom + 8)], fill=60, width=2)
            y = bottom + 18


def _wide(sheet: _Sheet) -> None:
    """Sets a magazine: two wide justified columns with air between the lines."""
    for x in (16, SHEET / 2 + 16):
        sheet.column(x, 4, SHEET / 2 - 32, 420, size=19, leading=1.5, justify=True)
        sheet.line(x, 440, SHEET / 2 - 32, size=40)
        sheet.column(x, 506, SHEET / 2 - 32, SHEET, size=19, leading=1.5, justify=True)


def _ragged(sheet: _Sheet) -> None:
    """Sets a bulletin: three columns without rules, ragged at the right, headings in white on black bars."""
    pitch = SHEET / 3
    for number in range(3):
        x, y = number * pitch + 14, -sheet.random.uniform(0, 60)
        while y < SHEET:
            sheet.pen.rectangle([x, y, x + pitch - 28, y + 34], fill=20)
            sheet.line(x + 8, y + 5, pitch - 44, size=20, ink=255)
            bottom = y + sheet.random.uniform(160, 360)
            sheet.column(x, y + 44, pitch - 28, min(bottom, SHEET + 30), size=16, leading=1.3, justify=False)
            y = bottom + 20


def _advert(sheet: _Sheet) -> None:
    """Sets a page of advertisements: boxes with heavy rules, letters of all sizes, some white on black."""
    y = 0
    while y < SHEET:
        height = sheet.random.randint(120, 260)
        split = sheet.random.choice((0.0, 0.35, 0.5, 0.62)) * SHEET
        for left, right in ((0.0, split), (split, float(SHEET))):
            if right - left > 60:
                _advert_box(sheet, left, y, right, y + height)
        y += height


def _advert_box(sheet: _Sheet, left: float, top: float, right: float, bottom: float) -> None:
    dark = sheet.random.random() < 0.3
    sheet.pen.rectangle([left + 6, top + 6, right - 6, bottom - 6], fill=25 if dark else 255, outline=0, width=5)
    y, ink = top + 18.0, 255 if dark else 0
    while True:
        size = sheet.random.choice((15, 18, 24, 34, 52, 74))
        if y + size * 1.2 > bottom - 12:
            if size <= 18:
                return
            continue
        sheet.line(left + 20, y, right - left - 40, size=size, bold=size // 30, ink=ink)
        y += size * 1.2


def _letter(sheet: _Sheet) -> None:
    """Sets a typed page: a loose ragged column with wide margins."""
    sheet.column(70, 10, SHEET - 140, SHEET, size=22, leading=1.7, justify=False)


def _captions(sheet: _Sheet) -> None:
    """Sets lines of the size of captions, close below each other."""
    y = 0
    while y < SHEET:
        sheet.line(-sheet.random.uniform(0, 40), y, SHEET + 40, size=26, bold=sheet.random.choice((0, 0, 1)))
        y += 32


_DRAWN: Final[dict[str, Callable[[_Sheet], None]]] = {
    "columns": _columns,
    "wide": _wide,
    "ragged": _ragged,
    "advert": _advert,
    "letter": _letter,
}

LAYOUTS: Final = tuple(_DRAWN)
CAPTIONS: Final = len(_DRAWN)  # index of the sheet of captions, after those of LAYOUTS


@functools.cache
def text_sheets() -> Tensor:
    """Returns the sheets of ``LAYOUTS`` and of captions, below each other: (1, 1, sheets * 1024, 1024), 1 paper to 0
    ink.

    Set in the font that Pillow carries, from a fixed seed; the words mean nothing.
    """
    sheets = []
    for place, draw in enumerate((*_DRAWN.values(), _captions)):
        sheet = _Sheet(seed=place)
        draw(sheet)
        sheets.append(np.asarray(sheet.image, dtype=np.float32) / 255)
    return torch.from_numpy(np.concatenate(sheets))[None, None]


@functools.cache
def _reduced_sheets(level: int, device: torch.device) -> Tensor:
    sheets = text_sheets()
    return (F.avg_pool2d(sheets, 2**level) if level else sheets).to(device)


def sample_text(place: Tensor, grid: Tensor, *, texels: float) -> Tensor:
    """Samples the sheets of text at given places.

    Args:
        place: (B, H, W) or (B, 1, 1) whole numbers, the sheet's index in ``LAYOUTS``, or ``CAPTIONS``.
        grid: (B, H, W, 2) places on the sheet, columns and rows in 0..1; changed in place.
        texels: px of a sheet that a px of the image covers; chooses the reduction that keeps text from aliasing.

    Returns:
        (B, H, W), 1 paper to 0 ink.
    """
    sheets = CAPTIONS + 1
    level = min(3, max(0, round(float(np.log2(max(texels, 1e-6))))))
    atlas = _reduced_sheets(level, grid.device).expand(len(grid), -1, -1, -1)
    grid[..., 0].mul_(2).sub_(1)
    grid[..., 1].add_(place).mul_(2 / sheets).sub_(1)
    return F.grid_sample(atlas, grid, padding_mode="border", align_corners=False)[:, 0]
