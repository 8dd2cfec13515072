"""Tests of cbir.matching.local.geometry and of the correspondences that it rests on, on drawn scenes."""

import math

import cv2
import numpy as np
import pytest

from cbir.matching.local.correspondences import Correspondences, correspond, in_agreement, resemble
from cbir.matching.local.features import extract
from cbir.matching.local.geometry import _log_nfa, find_geometry
from tests.support.pictures import cropped, mirrored, picture, turned


def places(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_the_map_of_a_turned_copy_is_that_of_the_turn() -> None:
    pixels = picture(0)
    height, width = pixels.shape[:2]
    geometry = find_geometry(resemble(extract(pixels), extract(turned(pixels, 20.0, scale=0.8))))
    assert geometry is not None
    expected = cv2.getRotationMatrix2D((width / 2, height / 2), 20.0, 0.8)
    np.testing.assert_allclose(geometry.affine[:, :2], expected[:, :2], atol=0.02)
    np.testing.assert_allclose(geometry.affine[:, 2], expected[:, 2], atol=3)
    assert len(geometry.inliers) > 30
    assert geometry.share > 0.5
    assert geometry.log_nfa < -50


def test_a_crop_lies_where_it_was_cut_out() -> None:
    pixels = picture(3)
    geometry = find_geometry(resemble(extract(cropped(pixels)), extract(pixels)))
    assert geometry is not None
    expected = [[1, 0, round(0.3 * pixels.shape[1])], [0, 1, 0]]
    np.testing.assert_allclose(geometry.affine, expected, atol=2)


@pytest.mark.parametrize(("first", "other"), [(0, 3), (3, 11), (11, 0)])
def test_unrelated_pictures_agree_on_nothing_that_chance_does_not_explain(first: int, other: int) -> None:
    geometry = find_geometry(resemble(extract(picture(first)), extract(picture(other))))
    assert geometry is None or geometry.log_nfa > -2


def test_a_mirror_image_has_no_map_until_it_is_mirrored() -> None:
    pixels = extract(picture(0))
    other = extract(mirrored(picture(0)))
    geometry = find_geometry(resemble(pixels.mirrored, other))
    assert geometry is not None
    np.testing.assert_allclose(geometry.affine, np.eye(2, 3), atol=0.5)
    direct = find_geometry(resemble(pixels, other))
    assert direct is None or direct.log_nfa > geometry.log_nfa / 10


def test_a_blank_picture_has_no_correspondences() -> None:
    blank = extract(np.zeros((64, 64), np.uint8))
    assert len(correspond(resemble(blank, extract(picture(0))))) == 0
    assert find_geometry(resemble(blank, extract(picture(0)))) is None


def test_no_place_corresponds_twice() -> None:
    pairs = correspond(resemble(extract(picture(0)), extract(turned(picture(0), 15))))
    for side in pairs.points:
        assert len(np.unique(np.floor(side / 4), axis=0)) == len(side)


def test_correspondences_that_turn_and_enlarge_alike_agree() -> None:
    query = places((0, 0, 2, 350), (5, 5, 4, 10), (9, 9, 3, 90), (20, 20, 3, 0))
    other = places((0, 0, 4, 20), (5, 5, 8, 45), (9, 9, 6, 300), (20, 20, 24, 30))
    assert in_agreement(Correspondences(query, other)).tolist() == [True, True, False, False]


def test_false_alarms_are_counted_as_the_formula_says() -> None:
    distance = np.array([0.001, 0.002, 0.003, 0.004, 0.01, 0.02])
    naive = min(
        math.log10(96)
        + math.log10(10 - 3)
        + math.log10(math.comb(10, k) * math.comb(k, 3))
        + (k - 3) * math.log10(math.pi * max(distance[k - 1], 0.004) ** 2 * 4 / 3)
        for k in (4, 5, 6)
    )
    assert _log_nfa(distance, 10, (400, 300)) == pytest.approx(naive)
