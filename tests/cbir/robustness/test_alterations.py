"""Tests of cbir.robustness.alterations."""

import numpy as np
import pytest

from cbir.robustness.alterations import KINDS, altered
from cbir.sample.scenes import make_scene

GREY = np.array(make_scene(0, seed=0, longest_side=200).picture)
COLOUR = np.array(make_scene(3, seed=0, longest_side=200).picture)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [GREY, COLOUR, GREY[:1, :1], np.full((3, 400), 9, np.uint8)])
def test_a_copy_is_an_image_of_the_same_channels_that_differs_and_leaves_the_original(
    kind: str, pixels: np.ndarray
) -> None:
    before = pixels.copy()
    copy = altered(pixels, kind, key="a")
    assert copy.dtype == np.uint8
    assert copy.shape[2:] == pixels.shape[2:]
    assert copy.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(pixels, before)
    if pixels.shape[0] > 100:
        assert copy.shape != pixels.shape or (copy != pixels).mean() > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_alone_decides_what_is_drawn(kind: str) -> None:
    first, again, other = (altered(COLOUR, kind, key=key) for key in ("a", "a", "b"))
    np.testing.assert_array_equal(first, again)
    if kind != "flip":
        assert first.shape != other.shape or (first != other).any()


def test_a_flip_exchanges_left_and_right() -> None:
    np.testing.assert_array_equal(altered(COLOUR, "flip", key="a"), COLOUR[:, ::-1])


def test_a_rotated_print_is_whole_on_white() -> None:
    black = np.zeros((100, 150), np.uint8)
    copy = altered(black, "rotation", key="a")
    assert (copy[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert (copy < 128).sum() == pytest.approx(100 * 150, rel=0.02)


@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_other_tones_keep_their_order_and_a_grey_image_stays_grey(key: str) -> None:
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, axis=0)
    copy = altered(ramp, "colour", key=key)
    assert copy.shape == ramp.shape
    assert (np.diff(copy[0].astype(int)) >= 0).all()
    assert len(np.unique(copy)) > 100
    assert (copy != ramp).mean() > 0.8


@pytest.mark.parametrize("key", ["a", "b", "c", "d"])
def test_a_crop_is_a_part_of_the_picture_of_four_to_seven_tenths(key: str) -> None:
    places = np.arange(200 * 255, dtype=np.uint32).reshape(200, 255)
    tones = (places % 251).astype(np.uint8)
    copy = altered(tones, "crop", key=key)
    assert 0.37 < copy.size / tones.size < 0.73
    windows = np.lib.stride_tricks.sliding_window_view(tones, copy.shape)
    assert (windows == copy).all(axis=(2, 3)).any()
