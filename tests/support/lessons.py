"""Small archives to learn from, for tests of the methods."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from cbir.images.reduced import ReducedImages


def pictures(folder: Path, *, count: int) -> tuple[pd.DataFrame, ReducedImages]:
    """Blurred patterns of which nothing is known but that two thirds train and the others validate."""
    reduced = ReducedImages(folder, folder, longest_side=64)
    images = pd.DataFrame({"image_id": [f"{n:032}" for n in range(count)], "path": "gone.jpg", "page": 0})
    for name in ("group_id", "class", "caption", "caption_en"):
        images[name] = pd.Series([None] * count, dtype="str")
    images["split"] = pd.Series(["val" if n % 3 == 2 else None for n in range(count)], dtype="str")
    chance = np.random.default_rng(0)
    for image_id in images["image_id"]:
        coarse = chance.integers(0, 256, (5, 5), dtype=np.uint8)
        reduced.put(image_id, cv2.resize(coarse, (48, 40), interpolation=cv2.INTER_CUBIC))
    return images, reduced


def noisy(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A view that differs by some noise, in the place of an augmentation that takes long to learn."""
    return images + 0.1 * torch.randn(images.shape, generator=generator)
