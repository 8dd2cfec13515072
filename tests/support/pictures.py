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


def grey_of(pixels: np.ndarray) -> np.ndarray:
    """The greys of a picture that may have colours."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels


def screened(pixels: np.ndarray, pitch: float = 8.0) -> np.ndarray:
    """A print of the picture in lines, so many px from line to line, black on white."""
    grey = grey_of(pixels) / 255
    y, x = np.indices(grey.shape)
    wave = 0.5 + 0.45 * np.cos(2 * np.pi * (y * np.cos(0.2) + x * np.sin(0.2)) / pitch)
    return np.where(grey > wave, 255, 0).astype(np.uint8)
