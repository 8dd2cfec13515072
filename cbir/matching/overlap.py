"""Compares two pictures where a map lays one on the other: the covered part of each, spread of features, and tones."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_GRID = 64  # cells along the longest side of the compared part; screens and grain are gone at this size
_CELLS = 150  # fewer say nothing about tone
_FLAT = 0.5  # grey levels, deviation below which a picture is flat
_BLUR = 4.0  # cells; what is left when it is taken away are forms, not light and dark sides
_SUPERSAMPLED = 2  # px a cell and side when a picture is warped, so that its dots are averaged


def corners(size: tuple[int, int]) -> Floats:
    """Returns the corners of an image of this width and height, (4, 2) px."""
    width, height = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def moved(points: Floats, affine: NDArray[np.float64]) -> Floats:
    """Moves points (n, 2) by a map (2, 3)."""
    return (points @ affine[:, :2].T + affine[:, 2]).astype(np.float32)


def common(affine: NDArray[np.float64], query: tuple[int, int], other: tuple[int, int]) -> NDArray[np.float32]:
    """Returns the corners of what both images show, (n, 2) px of the other; the arguments are those of
    :func:`overlaps`.
    """
    area, shown = cv2.intersectConvexConvex(moved(corners(query), affine), corners(other))
    return np.asarray(shown, np.float32).reshape(-1, 2) if area else np.zeros((0, 2), np.float32)


def overlaps(affine: NDArray[np.float64], query: tuple[int, int], other: tuple[int, int]) -> tuple[float, float]:
    """Returns the part of each image that the other one covers, 0..1.

    Args:
        affine: (2, 3), from px of the query to px of the other.
        query, other: width and height, px.
    """
    common = cv2.intersectConvexConvex(moved(corners(query), affine), corners(other))[0]
    grown = abs(np.linalg.det(affine[:, :2]))
    parts = common / (grown * query[0] * query[1]), common / (other[0] * other[1])
    return float(np.clip(parts[0], 0, 1)), float(np.clip(parts[1], 0, 1))


def spread(points: Floats, size: tuple[int, int]) -> float:
    """Returns the shorter side of the smallest rectangle around points (n, 2), in parts of the image's longest side.

    It is small for points in a row, as those of a caption are, which many pictures of a newspaper share.
    """
    return float(min(cv2.minAreaRect(points)[1]) / max(size))


def tones(
    query: NDArray[np.uint8], other: NDArray[np.uint8], affine: NDArray[np.float64], points: Floats
) -> tuple[float, float]:
    """Returns the correlations of grey values, and of forms alone, where the map lays the query on the other.

    Compared is the part of the other that both pictures show, as far as features agree: a page around it is not part of
    the picture. Prints differ in contrast, which a correlation does not see.

    Args:
        query, other: pixels, (H, W) or (H, W, 3) uint8.
        affine: (2, 3), from px of the query to px of the other.
        points: (n, 2) px of the other where features agree, n >= 3.

    Returns:
        Two numbers in -1..1; NaN both where too little is covered or a picture is flat.
    """
    left, top = np.floor(points.min(axis=0))
    width, height = np.maximum(np.ceil(points.max(axis=0)) - (left, top), 1)
    cells = _GRID * _SUPERSAMPLED / max(width, height)
    frame = np.array([(cells, 0, -cells * left), (0, cells, -cells * top), (0, 0, 1)])
    size = max(1, round(cells * width)), max(1, round(cells * height))
    both = [
        _warped(pixels, (frame @ np.vstack([map_to_other, (0, 0, 1)]))[:2], size)
        for pixels, map_to_other in ((query, affine), (other, np.eye(2, 3)))
    ]
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(
        mask, np.round(moved(np.asarray(cv2.convexHull(points)[:, 0], np.float32), frame[:2])).astype(np.int32), 1
    )
    inside = _smaller(mask * np.minimum(both[0][1], both[1][1])) > 0.5
    greys = [_smaller(grey) for grey, _ in both]
    if inside.sum() < _CELLS:
        return np.nan, np.nan
    first, second = greys
    return correlation(first, second, inside), correlation(_forms(first, inside), _forms(second, inside), inside)


def _warped(pixels: NDArray[np.uint8], affine: NDArray[np.float64], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Returns the grey values of a picture moved by a map, and where it covers the frame (1) or does not (0)."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8) if pixels.ndim == 3 else pixels
    small, onto = shrunk(grey, affine)
    values = cv2.warpAffine(small.astype(np.float32), onto, size, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.ones(small.shape, np.float32), onto, size)
    return np.asarray(values, np.float32), np.asarray(covered, np.float32)


def shrunk(pixels: NDArray[np.uint8], affine: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Returns a picture as small as a map (2, 3) makes it, so that warping averages its dots, and the map of that."""
    shrink = min(1.0, float(np.sqrt(abs(np.linalg.det(affine[:, :2])))))
    small = pixels
    if shrink < 1:
        small = np.asarray(cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
    return small, affine @ np.diag([pixels.shape[1] / small.shape[1], pixels.shape[0] / small.shape[0], 1])


def _smaller(values: Floats) -> Floats:
    height, width = (max(1, length // _SUPERSAMPLED) for length in values.shape)
    return np.asarray(cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _forms(grey: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Takes the light and dark sides away, measured inside alone."""
    weight = inside.astype(np.float32)
    around = cv2.GaussianBlur(weight, (0, 0), _BLUR)
    return grey - cv2.GaussianBlur(grey * weight, (0, 0), _BLUR) / np.maximum(around, 1e-3)


def correlation(first: Floats, second: Floats, inside: NDArray[np.bool_]) -> float:
    """Returns the correlation of two pictures' values where ``inside``; NaN where one of them is flat."""
    a, b = (values[inside] - values[inside].mean() for values in (first, second))
    if min(a.std(), b.std()) < _FLAT:
        return np.nan
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
