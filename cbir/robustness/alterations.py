"""Alters copies of an image, by kind, in the ways that photographs change between one archive and the next."""

import hashlib
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cbir.encoders.devices import one_thread
from cbir.reprints.press import PRESS_SIZE, SEVERE_UNSEEN
from cbir.reprints.reprint import reprint

Pixels = NDArray[np.uint8]  # (H, W) grey or (H, W, 3) RGB

_WHITE = 255
_DEGREES = (5.0, 15.0)  # of a rotation, either way
_AREA, _ASPECT = (0.4, 0.7), (0.8, 1.25)  # of a crop: the part of the picture that is kept, and its proportions
_GAMMA, _BLACK, _PAPER = (0.6, 1.6), (0.0, 0.15), (0.8, 1.0)  # the tone curve; tones in 0..1
_FADING, _SATURATION = (0.75, 1.0), (0.3, 1.3)  # of each colour channel, and of all colours


def altered(pixels: Pixels, kind: str, *, key: str) -> Pixels:
    """Returns a copy, altered in the way of that kind (one of ``KINDS``).

    Args:
        key: decides what is drawn: the same image, kind and key give the same copy.
    """
    digest = hashlib.sha256(f"{key}/{kind}".encode()).digest()
    return np.ascontiguousarray(KINDS[kind](pixels, np.random.default_rng(int.from_bytes(digest[:8], "little"))))


def _flip(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns a negative laid upside down: left and right exchanged."""
    return pixels[:, ::-1]


def _rotation(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns a print that lies askew in the scanner, whole, on white."""
    height, width = pixels.shape[:2]
    degrees = rng.uniform(*_DEGREES) * rng.choice((-1, 1))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    cosine, sine = np.abs(turn[0, :2])
    across, down = round(width * cosine + height * sine), round(width * sine + height * cosine)
    turn[:, 2] += ((across - width) / 2, (down - height) / 2)
    return cv2.warpAffine(pixels, turn, (across, down), borderValue=(_WHITE,) * 3).astype(np.uint8)


def _colour(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Gives the picture another exposure and paper: a tone curve and, where it has colours, other colours."""
    tone = pixels.astype(np.float32) / 255
    if pixels.ndim == 3:
        grey = tone.mean(axis=2, keepdims=True)
        tone = np.clip(grey + (tone - grey) * rng.uniform(*_SATURATION), 0, 1) * rng.uniform(*_FADING, size=3)
    gamma, black, paper = rng.uniform(*_GAMMA), rng.uniform(*_BLACK), rng.uniform(*_PAPER)
    return np.round(255 * (black + (paper - black) * tone**gamma)).astype(np.uint8)


def _crop(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns a part of the picture, of about its proportions."""
    height, width = pixels.shape[:2]
    area, aspect = rng.uniform(*_AREA), rng.uniform(*_ASPECT)
    across = max(1, round(width * min(1.0, (area * aspect) ** 0.5)))
    down = max(1, round(height * min(1.0, (area / aspect) ** 0.5)))
    left, top = rng.integers(width - across + 1), rng.integers(height - down + 1)
    return pixels[top : top + down, left : left + across]


def _press(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Returns a severe reprint in a newspaper, of a make that no encoder was trained on."""
    image = torch.from_numpy(np.atleast_3d(pixels).copy()).permute(2, 0, 1)[None].float() / 255
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    with one_thread():
        printed = reprint(image, SEVERE_UNSEEN.scaled(max(pixels.shape[:2]) / PRESS_SIZE), generator=generator)[0]
    return (printed * 255).round().byte().permute(1, 2, 0).numpy().reshape(pixels.shape)


KINDS: Final[dict[str, Callable[[Pixels, np.random.Generator], Pixels]]] = {
    "flip": _flip,
    "rotation": _rotation,
    "colour": _colour,
    "crop": _crop,
    "press": _press,
}
