"""Builds the image tower of any library, and compares how it wants its images with the library itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from cbir.encoders.backbones.build import build_towers
from cbir.encoders.backbones.towers import Backbone
from cbir.encoders.preprocess import Preparation, Preprocessing
from tests.support.clip import photographs


def build_image_tower(backbone: str, *, native: bool = False, weights: Any = "none", **options: Any) -> Backbone:
    return build_towers(backbone, options, native=native, weights=str(weights)).image.eval()


def offline(*_: Any, **__: Any) -> Any:
    """Fails as a download does without a network."""
    raise OSError("no route to host")


def assert_prepares_as(own: Preparation, transform: Callable[[Image.Image], Tensor]) -> None:
    """Compare photographs as they reach the network with what the library makes of them, to a grey level."""
    for photograph in photographs():
        square = Preprocessing(own.size, "model", False, own.scaling(own.size))(photograph)
        expected = transform(Image.fromarray(photograph)).permute(1, 2, 0).numpy() * own.std + own.mean
        assert np.abs(square / 255 - expected).max() < 1 / 255
