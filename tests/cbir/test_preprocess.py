"""cbir.preprocess: any image to the square that a network reads."""

import numpy as np
import pytest

from cbir.preprocess import PADDING, Preprocessing


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("greyscale", [True, False])
@pytest.mark.parametrize("shape", [(40, 90), (90, 40, 3), (7, 5), (64, 64, 3), (1, 300)])
def test_every_image_becomes_a_square_of_the_right_channels(
    resize: str, greyscale: bool, shape: tuple[int, ...]
) -> None:
    preprocess = Preprocessing(64, resize, greyscale)  # type: ignore[arg-type]
    square = preprocess(np.full(shape, 77, np.uint8))
    assert square.shape == preprocess.shape == (64, 64, 1 if greyscale else 3)
    assert square.dtype == np.uint8
    assert (square == 77).all(axis=2).any()


def test_stretch_fills_the_square_and_letterbox_keeps_the_proportions() -> None:
    wide = np.zeros((20, 80), np.uint8)
    assert (Preprocessing(40, "stretch", True)(wide) == 0).all()
    boxed = Preprocessing(40, "letterbox", True)(wide)[..., 0]
    assert (boxed[15:25] == 0).all()
    assert (boxed[:15] == PADDING).all()
    assert (boxed[25:] == PADDING).all()


def test_shrinking_weighs_every_pixel() -> None:
    dots = np.indices((256, 256)).sum(axis=0) % 2 * 255  # a screen finer than the square's pixels
    square = Preprocessing(32, "stretch", True)(dots.astype(np.uint8))
    assert (abs(square.astype(int) - 128) <= 1).all()


def test_colour_becomes_its_luminance() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    assert (Preprocessing(32, "stretch", True)(red) == 76).all()
