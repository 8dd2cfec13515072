"""Tests of cbir.matching.local.features, on drawn scenes."""

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

from cbir.matching.local.features import extract, pack, root_sift, unpack
from tests.support.pictures import picture


def test_no_image_has_more_features_than_asked_for() -> None:
    counts = {most: len(extract(picture(0), most=most).points) for most in (50, 200)}
    assert counts == {50: 50, 200: 200}


def test_colours_are_read_as_their_greys() -> None:
    colour = picture(3)
    assert colour.ndim == 3
    grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(extract(colour).descriptors, extract(grey).descriptors)


def test_the_inner_product_of_rootsift_is_the_hellinger_kernel() -> None:
    few = extract(picture(0)).descriptors[:20]
    shares = few / few.sum(axis=1, keepdims=True)
    naive = [[sum(np.sqrt(a * b) for a, b in zip(share, other, strict=True)) for other in shares] for share in shares]
    np.testing.assert_allclose(root_sift(few) @ root_sift(few).T, naive, rtol=1e-4)


def test_the_mirrored_features_are_those_of_the_mirrored_picture() -> None:
    turned, expected = extract(picture(0)).mirrored, extract(np.ascontiguousarray(picture(0)[:, ::-1]))
    distance, at = cKDTree(expected.places).query(turned.places)
    same = distance < 0.1
    assert same.mean() > 0.8
    differences = np.abs(turned.descriptors[same].astype(int) - expected.descriptors[at[same]])
    assert np.percentile(differences, 99) <= 2


def test_a_mirror_of_a_mirror_gives_the_features_back() -> None:
    features = extract(picture(3))
    again = features.mirrored.mirrored
    np.testing.assert_array_equal(again.descriptors, features.descriptors)
    np.testing.assert_allclose(again.places, features.places, atol=1e-3)


def test_places_are_px_of_the_picture_whatever_its_size() -> None:
    small = np.zeros((200, 256), np.uint8)
    cv2.circle(small, (96, 80), 12, 255, -1)
    large = cv2.resize(small, (1024, 800), interpolation=cv2.INTER_NEAREST)
    near = [
        np.hypot(*(extract(p).points - centre).T).min() for p, centre in ((small, (96, 80)), (large, (385.5, 321.5)))
    ]
    assert max(near) < 3


@pytest.mark.parametrize("number", [0, 3])
def test_packed_features_come_back_as_they_were(number: int) -> None:
    features = extract(picture(number))
    back = unpack(pack(features))
    assert back.size == features.size == picture(number).shape[1::-1]
    np.testing.assert_array_equal(back.places, features.places)
    np.testing.assert_array_equal(back.descriptors, features.descriptors)


def test_the_first_features_have_the_highest_contrast() -> None:
    few, many = extract(picture(0), most=100), extract(picture(0), most=400)
    kept = cKDTree(many.first(130).points).query(few.points)[0] < 0.1
    assert kept.mean() > 0.9
