"""Turns an image of any shape into the square that a network reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from cbir.base.errors import UserError

Resize = Literal["stretch", "letterbox", "model"]
Fit = Literal["shortest", "squash", "longest"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

SMALLEST_IMAGE = 32  # px; the feature map of most backbones is a 32nd of the image
PADDING = 128  # grey level beside a letterboxed image
FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Scaling:
    """The way a model's own evaluation makes an image a square: scaled, then cut to the square around its centre.

    Args:
        fit: the side that is scaled: the ``shortest``, the ``longest`` (the rest is filled), or ``squash``: both.
        side: length in px after scaling.
        interpolation: Pillow's filter, which weighs every source pixel.
        fill: grey levels, red, green and blue, of what is missing.
    """

    fit: Fit
    side: int
    interpolation: Interpolation
    fill: tuple[int, ...] = (0, 0, 0)


@dataclass(frozen=True)
class Preparation:
    """The preprocessing that a library applies before a model's evaluation, read from the model's configuration.

    Args:
        size: px, side of the square; 0: the configuration's is no square.
        mean, std: per channel, in 0..1.
        crop: side of the square as part of the scaled image's.
        fit, interpolation, fill: as in :class:`Scaling`.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit
    crop: float | Fraction
    interpolation: Interpolation
    fill: tuple[int, ...] = (0, 0, 0)

    def scaling(self, image_size: int) -> Scaling:
        """Returns the scaling for a square of ``image_size`` px, which need not be the model's own."""
        return Scaling(self.fit, floor(image_size / self.crop), self.interpolation, self.fill)


@dataclass(frozen=True)
class Preprocessing:
    """Preprocesses every image before the network sees it; small and picklable, for worker processes.

    Args:
        image_size: side of the square, px.
        resize: ``stretch`` to the square, ``letterbox``: keep the proportions and pad with grey, or ``model``: as the
            model's own evaluation does.
        greyscale: one channel instead of three.
        scaling: of ``model``; else None.
    """

    image_size: int
    resize: Resize
    greyscale: bool
    scaling: Scaling | None = None

    def __post_init__(self) -> None:
        if (self.resize == "model") != (self.scaling is not None):
            raise ValueError(
                f"resize model, and no other, has a scaling; resize is {self.resize}, scaling {self.scaling}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a preprocessed image: (S, S, C), C = 1 when greyscale, else 3."""
        return self.image_size, self.image_size, 1 if self.greyscale else 3

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Converts uint8 (H, W) or (H, W, 3) RGB to uint8 (S, S, C)."""
        if self.greyscale and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if self.scaling is not None:
            square = _centre(self._coloured(_scale_as(image, self.scaling)), self.image_size, self.scaling.fill)
        elif self.resize == "letterbox":
            square = self._coloured(self._letterbox(image))
        else:
            square = self._coloured(_scale(image, self.image_size, self.image_size))
        return square.reshape(self.shape)

    def _coloured(self, image: np.ndarray) -> np.ndarray:
        """Adds the three channels that the network wants; only after scaling, which takes a third of the time on one
        channel.
        """
        return image if self.greyscale or image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)

    def _letterbox(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        scale = self.image_size / max(height, width)
        inner = _scale(image, max(1, round(width * scale)), max(1, round(height * scale)))
        top, left = (self.image_size - inner.shape[0]) // 2, (self.image_size - inner.shape[1]) // 2
        square = np.full((self.image_size, self.image_size, *image.shape[2:]), PADDING, np.uint8)
        square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return square


def _scale(image: np.ndarray, width: int, height: int) -> np.ndarray:
    # Area-averaging weighs every source pixel, so that a screen's dots become a tone and no moiré.
    shrinks = image.shape[0] * image.shape[1] > width * height
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _scale_as(image: np.ndarray, scaling: Scaling) -> np.ndarray:
    """As the libraries do it, to the pixel: by Pillow, rounded as torchvision (shortest) and timm (longest) round."""
    height, width = image.shape[:2]
    side = scaling.side
    match scaling.fit:
        case "squash":
            height, width = side, side
        case "shortest":
            short = min(height, width)
            height, width = int(side * height / short), int(side * width / short)
        case "longest":
            ratio = max(height / side, width / side)
            height, width = max(1, round(height / ratio)), max(1, round(width / ratio))
    return np.asarray(Image.fromarray(image).resize((width, height), FILTERS[scaling.interpolation]))


def _centre(image: np.ndarray, size: int, fill: tuple[int, ...]) -> np.ndarray:
    """Returns the square around the centre of an image; where the image is smaller, ``fill`` or, of one channel, its
    mean.
    """
    height, width = image.shape[:2]
    if height < size or width < size:
        above, before = max(0, size - height) // 2, max(0, size - width) // 2
        colour = fill if image.ndim == 3 else round(sum(fill) / len(fill))
        padded = np.full((max(height, size), max(width, size), *image.shape[2:]), colour, np.uint8)
        padded[above : above + height, before : before + width] = image
        image = padded
    top, left = round((image.shape[0] - size) / 2), round((image.shape[1] - size) / 2)
    return image[top : top + size, left : left + size]


def require_size(size: int) -> None:
    """Raises UserError for the side of a square, in px, that is too small for a network."""
    if size < SMALLEST_IMAGE:
        raise UserError(f"image_size must be at least {SMALLEST_IMAGE} px, or 0: the backbone's own; it is {size}")


def channels(name: str, given: Sequence[float], own: tuple[float, ...]) -> tuple[float, ...]:
    """Returns three numbers, one per channel: as given, or the backbone's own where none are given.

    Raises:
        UserError: another number of them, or one that is out of range.
    """
    values = tuple(float(value) for value in given) or own
    if len(values) not in (1, 3):
        raise UserError(f"{name} must hold 1 or 3 numbers, one a channel, or none; it holds {len(values)}")
    if not all(0 <= value <= 1 for value in values) or (name == "std" and min(values) <= 0):
        raise UserError(f"{name} must be of values in 0..1{' above 0' * (name == 'std')}, is {list(values)}")
    return values * 3 if len(values) == 1 else values
