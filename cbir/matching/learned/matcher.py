"""Matches the points of two pictures by a network that looks at all of both.

Lindenberger, Sarlin and Pollefeys, LightGlue: Local Feature Matching at Light Speed, ICCV 2023; its small form for
XFeat is LighterGlue.
"""

from functools import cache
from typing import Any

import numpy as np

from cbir.matching.learned.points import Points, read_weights
from cbir.matching.local.correspondences import Correspondences

_MUCH = 0.82  # cosine of descriptors, as the authors of XFeat match them
_LEAST = 5  # points of a picture; fewer fix no map


def count_alike(query: Points, other: Points) -> int:
    """Counts the points that resemble each other most, and much: many where a picture is the other, seen quickly."""
    if not len(query.places) or not len(other.places):
        return 0
    cosine = query.descriptors @ other.descriptors.T
    nearest, back = cosine.argmax(axis=1), cosine.argmax(axis=0)
    rows = np.arange(len(cosine))
    return int(((back[nearest] == rows) & (cosine[rows, nearest] > _MUCH)).sum())


def match_points(query: Points, other: Points) -> Correspondences:
    """Pairs the points of two pictures; scales and angles of the places, which points do not have, are 1 and 0."""
    if min(len(query.places), len(other.places)) < _LEAST:
        return Correspondences(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32))
    import torch

    with torch.inference_mode():
        pairs = _network()({"image0": _given(query), "image1": _given(other)})["matches"][0].numpy()
    return Correspondences(_places(query)[pairs[:, 0]], _places(other)[pairs[:, 1]])


def _given(points: Points) -> dict[str, Any]:
    import torch

    return {
        "keypoints": torch.from_numpy(points.places)[None],
        "descriptors": torch.from_numpy(points.descriptors)[None],
        "image_size": torch.tensor([points.size]),
    }


def _places(points: Points) -> Any:
    without = np.tile(np.array([1, 0], np.float32), (len(points.places), 1))
    return np.column_stack([points.places, without])


@cache
def _network() -> Any:
    from kornia.feature import LightGlue

    shape: dict[str, Any] = {"features": None, "input_dim": 64, "descriptor_dim": 96, "n_layers": 6, "num_heads": 1}
    network = LightGlue(depth_confidence=-1, width_confidence=-1, **shape)
    left_out = network.load_state_dict(read_weights("matcher.safetensors"), strict=False)
    if left_out.missing_keys != ["confidence_thresholds"] or left_out.unexpected_keys:  # the buffer is computed
        raise ValueError(f"the weights of the matcher do not fit this kornia: {left_out}")
    return network.eval()
