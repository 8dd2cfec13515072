"""A picture whose every corner differs, to write in any format and compare."""

from pathlib import Path

import numpy as np
from PIL import Image


def scene(height: int = 300, width: int = 400) -> np.ndarray:
    """A smooth colour picture whose corners differ, so that every turn and mirror of it shows."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 180 * x / width
    green = 200 - 150 * y / height
    blue = 128 + 60 * np.sin(x / 25) * np.cos(y / 25)
    return np.dstack([red, green, blue]).round().astype(np.uint8)


SCENE = scene()
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))


def near(first: np.ndarray, second: np.ndarray, *, within: float) -> bool:
    return first.shape == second.shape and np.abs(first.astype(float) - second).mean() < within


def save(path: Path, picture: Image.Image | np.ndarray, **options: object) -> Path:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, **options)
    return path
