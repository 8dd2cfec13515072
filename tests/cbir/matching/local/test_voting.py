"""Tests of cbir.matching.local.voting, on drawn scenes."""

from dataclasses import replace

import numpy as np
import pytest

from cbir.matching.local.features import extract
from cbir.matching.local.hough import relative, similarities
from cbir.matching.local.voting import LocalIndex
from tests.support.pictures import cropped, mirrored, picture, turned

NUMBERS = (0, 3, 6, 8, 11, 14)
FEATURES = [extract(picture(number)) for number in NUMBERS]
INDEX = LocalIndex()
INDEX.add(image.first(300) for image in FEATURES)


@pytest.mark.parametrize("at", range(len(NUMBERS)))
def test_a_turned_crop_proposes_its_picture_first(at: int) -> None:
    query = extract(turned(cropped(picture(NUMBERS[at]), 0.6), 20.0))
    assert INDEX.candidates(query, most=3)[0] == at


def test_the_mirrored_query_proposes_the_picture_of_a_mirror_image() -> None:
    query = extract(mirrored(picture(3)))
    assert INDEX.candidates(query.mirrored, most=1) == [1]


def test_an_image_does_not_propose_itself_and_no_more_than_asked_for_are_proposed() -> None:
    assert INDEX.candidates(FEATURES[2], most=6)[0] == 2
    others = INDEX.candidates(FEATURES[2], most=2, but=2)
    assert 2 not in others
    assert len(others) <= 2


def test_matches_of_one_similarity_fall_into_one_place() -> None:
    pixels, larger = picture(0), turned(picture(0), 30.0, scale=1.4)
    query, other = extract(pixels), extract(larger)
    places = query.places[:5].copy()
    expected = places.copy()
    angle = np.deg2rad(-30.0)
    middle = np.array(query.size) / 2
    turn = 1.4 * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    expected[:, :2] = (places[:, :2] - middle) @ turn.T + middle
    expected[:, 2] *= 1.4
    expected[:, 3] = (expected[:, 3] - 30) % 360
    similarity = similarities(
        relative(replace(query, places=places)),
        relative(replace(other, places=expected)),
    )
    np.testing.assert_allclose(similarity, np.broadcast_to(similarity[0], similarity.shape), atol=1e-3)
    np.testing.assert_allclose(similarity[0], (330 / 45, np.log2(1.4), 0, 0), atol=1e-3)


def test_an_index_of_blank_images_proposes_nothing() -> None:
    blank = extract(np.zeros((64, 64), np.uint8))
    empty = LocalIndex()
    empty.add([blank, blank])
    assert empty.candidates(FEATURES[0], most=3) == []
    assert INDEX.candidates(blank, most=3) == []
