"""Extracts local features that keep place, scale and angle, computes them once, and turns them into a mirror image's.

Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 60(2), 2004 (SIFT); Arandjelović and Zisserman,
Three Things Everyone Should Know to Improve Object Retrieval, CVPR 2012 (RootSIFT).
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.descreening import descreened, screen_pitch

Read = Callable[[str], NDArray[np.uint8]]  # the pixels of an image by its id, (H, W) grey or (H, W, 3) RGB

VERSION = f"2, OpenCV {cv2.__version__}"  # raise it with any change of the code that decides the features
SIDE = 256  # px; at 512 the dots of a newspaper's screen are features, fewer reprints are found, and it takes longer
_DIMENSIONS = 128
COARSE = 96  # px, longer side of the picture that goes with the features
FORMS = 6.0  # px of the coarse picture; what a blur takes away are forms, not light and dark sides
_HEADER = struct.Struct("<IIIIIf")  # features, width and height of the image, height and width of the coarse one, pitch
_BACK = (-np.arange(8)) % 8  # the eight directions of a gradient, seen in a mirror


@dataclass(frozen=True)
class Features:
    """Local features of an image, those with the highest contrast first.

    Attributes:
        size: width and height of the image, px.
        places: (n, 4) float32: x and y in px of the image, scale in px, angle in degrees.
        descriptors: (n, 128) uint8.
        coarse: (h, w) uint8, the whole image, its longer side ``COARSE`` px.
        pitch: px from dot to dot of the image's screen, which was taken out; 0 where it has none.
    """

    size: tuple[int, int]
    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    coarse: NDArray[np.uint8]
    pitch: float

    @property
    def points(self) -> NDArray[np.float32]:
        """Places of the features, (n, 2) px."""
        return self.places[:, :2]

    @cached_property
    def roots(self) -> NDArray[np.float32]:
        """Descriptors (n, 128) of length 1, with their Hellinger kernel as inner product."""
        return root_sift(self.descriptors)

    @cached_property
    def forms(self) -> NDArray[np.float32]:
        """The coarse picture without its light and dark sides, (h, w)."""
        coarse = self.coarse.astype(np.float32)
        return coarse - np.asarray(cv2.GaussianBlur(coarse, (0, 0), FORMS), np.float32)

    def first(self, most: int) -> "Features":
        """Returns the ``most`` features with the highest contrast."""
        return replace(self, places=self.places[:most], descriptors=self.descriptors[:most])

    @cached_property
    def mirrored(self) -> "Features":
        """Features of the image's mirror image: the same descriptors with their cells and directions exchanged."""
        x, y, scale, angle = self.places.T
        places = np.stack([self.size[0] - 1 - x, y, scale, (180 - angle) % 360], axis=1)
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., _BACK]
        descriptors = np.ascontiguousarray(cells).reshape(-1, _DIMENSIONS)
        coarse = np.ascontiguousarray(self.coarse[:, ::-1])
        return replace(self, places=places, descriptors=descriptors, coarse=coarse)


def extract(pixels: NDArray[np.uint8], *, most: int = 500) -> Features:
    """Extracts SIFT features of an image, the ``most`` with the highest contrast; a blank image has none."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8) if pixels.ndim == 3 else pixels
    pitch, (height, width) = screen_pitch(grey), grey.shape
    grey = descreened(grey, pitch)
    small, coarse = _reduced(grey, SIDE), _reduced(grey, COARSE)
    keypoints, descriptors = cv2.SIFT.create(nfeatures=most, enable_precise_upscale=True).detectAndCompute(small, None)
    if descriptors is None:
        nothing = np.zeros((0, 4), np.float32), np.zeros((0, _DIMENSIONS), np.uint8)
        return Features((width, height), *nothing, coarse, pitch)
    order = sorted(
        range(len(keypoints)), key=lambda at: (-keypoints[at].response, keypoints[at].pt, keypoints[at].angle)
    )
    # Of keypoints with the same contrast SIFT keeps all, and gives some more than it was asked for.
    places = _places(keypoints, min(1.0, SIDE / max(height, width)))
    return Features((width, height), places[order[:most]], descriptors[order[:most]].astype(np.uint8), coarse, pitch)


def _reduced(grey: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = grey.shape
    shrink = min(1.0, side / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _places(keypoints: Sequence[cv2.KeyPoint], shrink: float) -> NDArray[np.float32]:
    """Returns places in px of the image from those in the smaller one, whose px have their centres elsewhere."""
    small = np.array([(*keypoint.pt, keypoint.size, keypoint.angle) for keypoint in keypoints])
    small[:, :2] = (small[:, :2] + 0.5) / shrink - 0.5
    small[:, 2] /= shrink
    return small.astype(np.float32)


def root_sift(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts SIFT descriptors (n, 128) to length 1 with their Hellinger kernel as inner product."""
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1))


def pack(features: Features) -> bytes:
    """Packs features for the store."""
    header = _HEADER.pack(len(features.places), *features.size, *features.coarse.shape, features.pitch)
    return header + features.places.tobytes() + features.descriptors.tobytes() + features.coarse.tobytes()


def unpack(value: bytes) -> Features:
    """Reads what :func:`pack` made."""
    count, width, height, *coarse, pitch = _HEADER.unpack_from(value)
    places = np.frombuffer(value, np.float32, 4 * count, _HEADER.size).reshape(count, 4)
    start = _HEADER.size + places.nbytes
    descriptors = np.frombuffer(value, np.uint8, _DIMENSIONS * count, start).reshape(count, _DIMENSIONS)
    picture = np.frombuffer(value, np.uint8, offset=start + descriptors.nbytes).reshape(coarse)
    return Features((width, height), places, descriptors, picture, pitch)
