"""Tests of cbir.matching.learned, on drawn scenes: the points of a print are those of its picture."""

from functools import partial

import cv2
import numpy as np
import pytest

from cbir.matching.evidence import EVIDENCE, Picture
from cbir.matching.learned.evidence import gather_learned
from cbir.matching.learned.points import POINTS, find_points
from cbir.matching.local.features import extract
from tests.support.pictures import cropped, mirrored, picture, turned


def gathered(query: np.ndarray, other: np.ndarray) -> np.ndarray:
    first, second = (Picture(extract(pixels), lambda pixels=pixels: pixels) for pixels in (query, other))
    return gather_learned(first, second, partial(find_points, query, 0.0), find_points(other, 0.0))


def test_points_have_places_in_the_picture_and_descriptors_of_length_1() -> None:
    pixels = picture(0)
    points = find_points(pixels, 0.0)
    height, width = pixels.shape[:2]
    assert points.size == (width, height)
    assert 100 < len(points.places) <= POINTS
    assert (points.places >= -1).all()
    assert (points.places <= (width, height)).all()
    np.testing.assert_allclose(np.linalg.norm(points.descriptors, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("number", [0, 3])
def test_a_blurred_turned_part_is_laid_on_its_picture(number: int) -> None:
    pixels = picture(number)
    printed = cv2.GaussianBlur(turned(cropped(pixels), 5), (0, 0), 2)
    evidence = gathered(printed, pixels)
    assert evidence["learned"] == 1
    assert evidence["inliers"] > 20
    assert evidence["log_nfa"] < -2
    assert evidence["forms"] > 0.7
    assert evidence["mirrored"] == 0
    assert evidence["overlap_query"] > 0.8


def test_a_mirror_image_is_known_as_one_and_its_map_leads_to_the_same_place() -> None:
    pixels = picture(3)
    evidence = gathered(mirrored(pixels), pixels)
    assert evidence["mirrored"] == 1
    width = pixels.shape[1]
    np.testing.assert_allclose(evidence["map"].reshape(2, 3), [(-1, 0, width - 1), (0, 1, 0)], atol=0.02 * width)


def test_unrelated_pictures_have_few_points_in_common_and_other_forms() -> None:
    for first, second in ((0, 3), (6, 8), (11, 14)):
        evidence = gathered(picture(first), picture(second))
        assert evidence["inliers"] < 20
        assert evidence["inliers"] == 0 or not evidence["forms"] > 0.6


def test_a_blank_picture_gives_no_evidence() -> None:
    blank = np.zeros((64, 64), np.uint8)
    assert gathered(blank, picture(0)) == np.zeros((), EVIDENCE)
    assert gathered(picture(0), blank) == np.zeros((), EVIDENCE)
