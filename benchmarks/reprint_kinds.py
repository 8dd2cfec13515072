"""Reprints for measuring, by severity and by kind of damage, among them screens, layouts and damages that no training
sees.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cbir.reprints.press import MILD, PRESS_SIZE, SEVERE_UNSEEN, Press
from cbir.reprints.reprint import reprint

Pixels = NDArray[np.uint8]  # (H, W), grey

AS_IT_IS: Final = Press(
    crop=(1.0, 1.0),
    aspect=(1.0, 1.0),
    rotation=(0.0, 0.0),
    mirror=0.0,
    black=(0.0, 0.0),
    white=(1.0, 1.0),
    midtone=(0.0, 0.0),
    posterise=0.0,
    screen=0.0,
    page=0.0,
    border=0.0,
    oval=0.0,
    caption=0.0,
    tilt=(0.0, 0.0),
    gain=(0.0, 0.0),
    blur=(0.0, 0.0),
    ink=(0.0, 0.0),
    paper=(1.0, 1.0),
    stains=(0.0, 0.0),
    vignette=(0.0, 0.0),
    streaks=0.0,
    noise=(0.0, 0.0),
)
"""A print that changes nothing; each kind of damage changes one thing of it."""

SEVERITIES: Final = {
    "plain": replace(AS_IT_IS, crop=(0.94, 1.0), black=(-0.05, 0.05), white=(0.95, 1.05), blur=(0.0, 0.5)),
    "mild": MILD,
    "strong": SEVERE_UNSEEN,
    "severe": replace(SEVERE_UNSEEN, crop=(0.15, 0.6), aspect=(0.7, 1.4), mirror=0.3, page=0.5, caption=0.5),
}
"""From a copy that anything finds to a part of a picture on a page of text, each severity with what training never
draws.
"""

_UNSEEN = {"shapes": ("line", "square", "cross"), "angle": (-20.0, 20.0)}
PRINTED: Final = {
    "half of the picture": replace(AS_IT_IS, crop=(0.4, 0.5)),
    "a tenth of the picture": replace(AS_IT_IS, crop=(0.1, 0.15)),
    "mirror": replace(AS_IT_IS, mirror=1.0),
    "tone": replace(AS_IT_IS, black=(-0.15, 0.15), white=(0.8, 1.2), midtone=(-0.8, 0.8)),
    "few tones": replace(AS_IT_IS, posterise=1.0, tones=(3.0, 4.0)),
    "screen": replace(AS_IT_IS, screen=1.0, period=(2.5, 4.5), strength=(0.7, 1.0), **_UNSEEN),
    "page of text": replace(AS_IT_IS, page=1.0, size=(0.5, 0.7), layouts=("ragged", "advert")),
    "caption over it": replace(AS_IT_IS, caption=1.0, caption_height=(0.15, 0.25)),
    "scan": replace(AS_IT_IS, blur=(0.5, 1.2), stains=(0.1, 0.2), vignette=(0.1, 0.3), noise=(0.04, 0.08)),
}


def printed(pixels: Pixels, press: Press, *, key: str) -> Pixels:
    """Returns a reprint of an image in its own size; ``key`` decides what is drawn."""
    image = torch.from_numpy(pixels.copy())[None, None].float() / 255
    generator = torch.Generator().manual_seed(_seed(key))
    result = reprint(image, press.scaled(max(pixels.shape) / PRESS_SIZE), generator=generator)
    return (result[0, 0] * 255).round().byte().numpy()


def _twice(pixels: Pixels, key: str) -> Pixels:
    """Prints a print: two screens that beat with each other."""
    return printed(printed(pixels, PRINTED["screen"], key=f"{key}/first"), PRINTED["screen"], key=f"{key}/second")


def _scratched(pixels: Pixels, key: str) -> Pixels:
    """Draws scratches across the picture, as a damaged plate has them."""
    chance, result = np.random.default_rng(_seed(key)), pixels.copy()
    height, width = pixels.shape
    for _ in range(chance.integers(8, 20)):
        ends = [tuple(int(v) for v in chance.integers(0, (width, height))) for _ in range(2)]
        cv2.line(result, *ends, int(chance.choice((0, 255))), int(chance.integers(1, 4)), cv2.LINE_AA)
    return result


def _stamped(pixels: Pixels, key: str) -> Pixels:
    """Puts an archive's stamp and number on the picture."""
    chance, result = np.random.default_rng(_seed(key)), pixels.copy()
    height, width = pixels.shape
    centre = (int(chance.uniform(0.2, 0.8) * width), int(chance.uniform(0.2, 0.8) * height))
    radius = int(0.2 * min(height, width))
    for size in (radius, int(0.8 * radius)):
        cv2.circle(result, centre, size, 40, 3, cv2.LINE_AA)
    place = (centre[0] - radius // 2, centre[1])
    cv2.putText(result, str(chance.integers(1000, 9999)), place, cv2.FONT_HERSHEY_DUPLEX, radius / 60, 40, 2)
    return result


def _torn(pixels: Pixels, key: str) -> Pixels:
    """Tears one corner away."""
    chance, result = np.random.default_rng(_seed(key)), pixels.copy()
    height, width = pixels.shape
    across, down = int(chance.uniform(0.4, 0.8) * width), int(chance.uniform(0.4, 0.8) * height)
    corner = np.array([[0, 0], [across, 0], [across // 2, down // 3], [0, down]])
    if chance.random() < 0.5:
        corner[:, 0] = width - corner[:, 0]
    if chance.random() < 0.5:
        corner[:, 1] = height - corner[:, 1]
    return cv2.fillPoly(result, [corner], 235).astype(np.uint8)


UNSEEN: Final[dict[str, Callable[[Pixels, str], Pixels]]] = {
    "a print of a print": _twice,
    "scratches": _scratched,
    "stamp": _stamped,
    "torn corner": _torn,
}
"""Damages that no training draws at all."""


def _seed(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
