"""Tests of cbir.matching.overlap, on drawn scenes and on rectangles whose overlap is known."""

import cv2
import numpy as np
import pytest

from cbir.matching.overlap import correlation, overlaps, spread, tones
from tests.support.pictures import picture


def shifted(x: float, y: float, scale: float = 1.0) -> np.ndarray:
    return np.array([(scale, 0, x), (0, scale, y)])


def test_overlaps_are_parts_of_each_picture() -> None:
    assert overlaps(shifted(0, 0), (100, 80), (100, 80)) == pytest.approx((1, 1))
    assert overlaps(shifted(50, 0), (100, 80), (100, 80)) == pytest.approx((0.5, 0.5))
    assert overlaps(shifted(10, 10, 0.5), (100, 80), (100, 80)) == pytest.approx((1, 0.25))
    assert overlaps(shifted(500, 0), (100, 80), (100, 80)) == pytest.approx((0, 0))


def test_points_in_a_row_spread_little_however_many_they_are() -> None:
    row = np.stack([np.linspace(0, 100, 50), np.linspace(0, 100, 50) + 1], axis=1).astype(np.float32)
    assert spread(row, (100, 80)) < 0.01
    square = np.array([(0, 0), (40, 0), (40, 30), (0, 30)], np.float32)
    assert spread(square, (100, 80)) == pytest.approx(0.3)


CORNERS = np.array([(60, 60), (300, 60), (300, 250), (60, 250)], np.float32)


def test_tones_agree_whatever_the_contrast_where_the_map_is_right() -> None:
    grey = picture(0)
    faded = (60 + 0.4 * grey).astype(np.uint8)
    tone, forms = tones(grey, faded, shifted(0, 0), CORNERS)
    assert min(tone, forms) > 0.98


def test_tones_of_another_picture_do_not_agree() -> None:
    other = cv2.resize(picture(3), picture(0).shape[1::-1])
    tone, forms = tones(picture(0), other, shifted(0, 0), CORNERS)
    assert max(abs(tone), abs(forms)) < 0.6


def test_screens_are_averaged_away() -> None:
    grey = picture(0)
    dots = np.where(np.indices(grey.shape).sum(axis=0) % 4 < 2, grey // 2, np.minimum(grey, 127) * 2).astype(np.uint8)
    assert tones(grey, dots, shifted(0, 0), CORNERS)[0] > 0.9


def test_flat_pictures_and_small_parts_say_nothing() -> None:
    flat = np.full((300, 400), 128, np.uint8)
    assert np.isnan(tones(picture(0), flat, shifted(0, 0), CORNERS)).all()
    assert np.isnan(correlation(np.ones((4, 4), np.float32), np.eye(4, dtype=np.float32), np.ones((4, 4), bool)))
    line = np.array([(0, 0), (300, 0), (300, 1)], np.float32)
    assert np.isnan(tones(picture(0), picture(0), shifted(0, 0), line)).all()
