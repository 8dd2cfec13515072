"""From an image of any shape to the square that a network reads."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Resize = Literal["stretch", "letterbox"]

PADDING = 128  # grey level beside a letterboxed image


@dataclass(frozen=True)
class Preprocessing:
    """What is done to every image before the network sees it; small and picklable, for worker processes.

    Args:
        image_size: side of the square, px.
        resize: ``stretch`` to the square, or ``letterbox``: keep the proportions and pad with grey.
        greyscale: one channel instead of three.
    """

    image_size: int
    resize: Resize
    greyscale: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a preprocessed image: (S, S, C), C = 1 when greyscale, else 3."""
        return self.image_size, self.image_size, 1 if self.greyscale else 3

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W) or (H, W, 3) RGB to uint8 (S, S, C)."""
        if self.greyscale and image.ndim == 3:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        square = (
            self._letterbox(image) if self.resize == "letterbox" else _scale(image, self.image_size, self.image_size)
        )
        if not self.greyscale and square.ndim == 2:
            square = cv2.cvtColor(
                square, cv2.COLOR_GRAY2RGB
            )  # not before: one channel is resized in a third of the time
        return square.reshape(self.shape)

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
