"""Tests of cbir.matching.evidence, on drawn scenes."""

import cv2
import numpy as np

from cbir.matching.evidence import Picture, gather
from cbir.matching.local.features import extract
from tests.support.pictures import cropped, mirrored, picture, screened


def seen(pixels: np.ndarray) -> Picture:
    return Picture(extract(pixels), lambda: pixels)


def test_a_crop_is_covered_whole_and_covers_its_part() -> None:
    evidence = gather(seen(cropped(picture(0))), seen(picture(0)))
    assert evidence["mirrored"] == 0
    assert evidence["inliers"] > 20
    assert evidence["overlap_query"] > 0.97
    assert abs(evidence["overlap_neighbour"] - 0.49) < 0.03
    assert evidence["tone"] > 0.95
    assert evidence["forms"] > 0.95


def test_a_mirrored_crop_is_told_and_its_map_takes_px_as_they_are() -> None:
    evidence = gather(seen(mirrored(picture(0))), seen(picture(0)))
    assert evidence["mirrored"] == 1
    width = picture(0).shape[1]
    np.testing.assert_allclose(evidence["map"].reshape(2, 3), [(-1, 0, width - 1), (0, 1, 0)], atol=1)
    assert evidence["forms"] > 0.95


def test_unrelated_pictures_have_no_map_or_one_that_chance_explains() -> None:
    evidence = gather(seen(picture(0)), seen(picture(3)))
    assert evidence["inliers"] == 0 or evidence["log_nfa"] > -2


def test_the_same_pictures_give_the_same_evidence() -> None:
    pictures = seen(cropped(picture(11))), seen(picture(11))
    assert gather(*pictures).tobytes() == gather(*pictures).tobytes()


def test_a_print_whose_features_are_gone_is_laid_on_its_picture_by_its_tones() -> None:
    blurred = cv2.GaussianBlur(screened(mirrored(picture(11)), 20.0), (0, 0), 8)
    evidence = gather(seen(blurred), seen(picture(11)))
    assert evidence["aligned"] == 1
    assert evidence["inliers"] == 0
    assert evidence["mirrored"] == 1
    assert evidence["log_nfa"] < -6
    assert evidence["forms"] > 0.6
    assert min(evidence["overlap_query"], evidence["overlap_neighbour"]) > 0.9
