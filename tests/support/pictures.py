"""Drawn scenes and what becomes of them, for the tests of matching."""

from functools import cache

import cv2
import numpy as np

from cbir.sample.scenes import make_scene


@cache
def picture(number: int, side: int = 512) -> np.ndarray:
    """A drawn scene, (H, W, 3) uint8."""
    return np.array(make_scene(number, seed=0, longest_side=side).picture)


def turned(pixels: np.ndarray, degrees: float, *, scale: float = 1.0) -> np.ndarray:
    """The picture turned about its middle, in a frame of the same size."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    return cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT)


def cropped(pixels: np.ndarray, part: float = 0.7) -> np.ndarray:
    """The upper right of a picture, ``part`` of its width and height."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[: round(part * height), round((1 - part) * width) :])


def mirrored(pixels: np.ndarray) -> np.ndarray:
    """The mirror image."""
    return np.ascontiguousarray(pixels[:, ::-1])
