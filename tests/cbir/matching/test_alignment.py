"""Tests of cbir.matching.alignment, on drawn scenes."""

import cv2
import numpy as np
import pytest

from cbir.matching.alignment import align
from cbir.matching.local.correspondences import resemble
from cbir.matching.local.features import extract
from tests.support.pictures import cropped, picture, screened, turned


@pytest.mark.parametrize("number", [0, 3, 11])
def test_a_blurred_turned_print_is_laid_on_its_picture(number: int) -> None:
    pixels = picture(number)
    printed = cv2.GaussianBlur(turned(pixels, 5.0, scale=1.1), (0, 0), 4)
    aligned = align(resemble(extract(printed), extract(pixels)))
    assert aligned is not None
    assert aligned.log_nfa < -6
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5.0, 1.1)
    np.testing.assert_allclose(aligned.affine, cv2.invertAffineTransform(turn), atol=0.02 * max(height, width))


def test_a_part_of_a_screened_print_is_laid_on_its_picture() -> None:
    part = cropped(picture(0), 0.8)
    aligned = align(resemble(extract(screened(part)), extract(picture(0))))
    assert aligned is not None
    width = picture(0).shape[1]
    expected = [(1, 0, round(0.2 * width)), (0, 1, 0)]
    np.testing.assert_allclose(aligned.affine, expected, atol=0.03 * width)


def test_chance_explains_how_unrelated_pictures_agree() -> None:
    numbers = (0, 3, 6, 8, 11, 14)
    features = [extract(picture(number)) for number in numbers]
    pairs = [align(resemble(a, b)) for a in features for b in features if a is not b]
    assert min((each.log_nfa for each in pairs if each is not None), default=0) > -4


def test_blank_images_are_laid_on_nothing() -> None:
    blank = extract(np.zeros((64, 64), np.uint8))
    assert align(resemble(blank, extract(picture(0)))) is None
    assert align(resemble(extract(picture(0)), blank)) is None
