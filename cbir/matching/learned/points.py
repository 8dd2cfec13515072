"""Finds points of a picture by a small network that describes them too.

Potje, Cadar, Araujo, Martins and Nascimento, XFeat: Accelerated Features for Lightweight Image Matching, CVPR 2024.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.descreening import descreened

SIDE = (
    320  # px, longer side of the picture that is looked at; at 480 fewer hard reprints are known, and it takes longer
)
POINTS = 256  # of a picture


@dataclass(frozen=True)
class Points:
    """Points of a picture, the surest first.

    Attributes:
        size: width and height of the picture, px.
        places: (n, 2) float32, px of the picture.
        descriptors: (n, 64) float32, of length 1.
    """

    size: tuple[int, int]
    places: NDArray[np.float32]
    descriptors: NDArray[np.float32]


def find_points(pixels: NDArray[np.uint8], pitch: float, *, mirrored: bool = False) -> Points:
    """Finds the points of a picture, or of its mirror image.

    Args:
        pixels: (H, W) grey or (H, W, 3) RGB.
        pitch: px from dot to dot of its screen, 0 where it has none.
    """
    import torch

    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8) if pixels.ndim == 3 else pixels
    grey = descreened(grey, pitch)
    height, width = grey.shape
    shrink = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32) / 255
    small = np.ascontiguousarray(small[:, ::-1] if mirrored else small)
    seen = _network().detectAndCompute(torch.from_numpy(small)[None, None], top_k=POINTS)[0]
    places = (seen["keypoints"].numpy() + 0.5) * (width / size[0], height / size[1]) - 0.5
    return Points((width, height), places.astype(np.float32), seen["descriptors"].numpy())


@cache
def _network() -> Any:
    from kornia.feature import XFeat

    network = XFeat()
    network.net.load_state_dict(read_weights("points.safetensors"))
    return network.eval()


def read_weights(name: str) -> dict[str, Any]:
    """Reads weights that come with the package, as float32."""
    from safetensors.torch import load_file

    with as_file(files("cbir.matching.learned") / "weights" / name) as path:
        return {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
