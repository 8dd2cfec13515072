"""Tests of cbir.matching.local.descreening, on drawn scenes."""

import cv2
import numpy as np
import pytest

from cbir.matching.local.descreening import descreened, screen_pitch
from tests.support.pictures import grey_of, picture, screened


@pytest.mark.parametrize("pitch", [5.0, 8.0, 12.0])
def test_the_pitch_of_a_screen_is_measured(pitch: float) -> None:
    measured = screen_pitch(screened(picture(0), pitch))
    assert abs(measured - pitch) < 0.05 * pitch


@pytest.mark.parametrize("number", [0, 3, 6, 11])
def test_a_photograph_without_a_screen_stays_as_it_is(number: int) -> None:
    grey = grey_of(picture(number))
    assert screen_pitch(grey) == 0
    assert descreened(grey, 0) is grey


def test_without_its_screen_a_print_has_the_tones_of_the_picture() -> None:
    grey = cv2.GaussianBlur(grey_of(picture(0)), (0, 0), 4)
    printed = screened(picture(0))
    before, after = (
        np.corrcoef(grey.ravel(), image.ravel())[0, 1]
        for image in (printed, descreened(printed, screen_pitch(printed)))
    )
    assert after > 0.95 > before + 0.2


def test_a_blank_and_a_small_image_have_no_screen() -> None:
    assert screen_pitch(np.full((200, 200), 128, np.uint8)) == 0
    assert screen_pitch(screened(picture(0))[:40, :40]) == 0
