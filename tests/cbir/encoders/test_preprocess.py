"""cbir.encoders.preprocess: any image to the square that a network reads."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from open_clip import image_transform
from PIL import Image
from timm.data import create_transform
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from cbir.encoders.preprocess import PADDING, Preparation, Preprocessing, Scaling


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


SHAPES = [(390, 610), (610, 390), (224, 224), (33, 700), (700, 41), (90, 120)]


def transforms_of(library: str, fit: str, crop: float, interpolation: str) -> Any:
    """The library's own evaluation, to 224 px."""
    options: dict[str, Any] = {"mean": (0.5, 0.4, 0.3), "std": (1.0, 1.0, 1.0), "interpolation": interpolation}
    if library == "timm":
        mode = {"shortest": "center", "squash": "squash", "longest": "border"}[fit]
        return create_transform(224, crop_pct=crop, crop_mode=mode, **options)
    if library == "open_clip":
        return image_transform(224, is_train=False, resize_mode=fit, **options)
    filters = {**options, "interpolation": InterpolationMode(interpolation)}
    return ImageClassification(crop_size=224, resize_size=round(224 / crop), **filters)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize(
    ("library", "fit", "crop", "interpolation"),
    [
        ("timm", "shortest", 0.875, "bilinear"),
        ("timm", "shortest", 0.95, "bicubic"),
        ("timm", "squash", 0.9, "bicubic"),
        ("timm", "longest", 0.9, "bicubic"),
        ("timm", "longest", 1.0, "bilinear"),
        ("torchvision", "shortest", Fraction(224, 232), "bilinear"),
        ("open_clip", "shortest", 1.0, "bicubic"),
        ("open_clip", "squash", 1.0, "bicubic"),
        ("open_clip", "longest", 1.0, "bicubic"),
    ],
)
def test_model_gives_the_pixels_of_the_librarys_own_evaluation(
    library: str, fit: Any, crop: Any, interpolation: Any, grey: bool, shape: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape if grey else (*shape, 3), dtype=np.uint8)
    fill = (0, 0, 0) if library == "open_clip" else (128, 102, 76)
    mean = (0.5, 0.4, 0.3)
    own = Preparation(224, mean, (1.0, 1.0, 1.0), fit, crop, interpolation, fill)
    square = Preprocessing(224, "model", False, own.scaling(224))(image)
    expected = transforms_of(library, fit, crop, interpolation)(Image.fromarray(image).convert("RGB"))
    shown = (expected.permute(1, 2, 0).numpy() + mean) * 255
    assert np.array_equal(square, shown.round())


def test_model_in_grey_is_the_model_on_grey() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90), dtype=np.uint8)
    scaling = Scaling("longest", 40, "bicubic", (30, 60, 90))
    coloured, grey = (Preprocessing(40, "model", greyscale, scaling)(image) for greyscale in (False, True))
    inner = slice(7, 33)
    assert np.array_equal(coloured[inner, :, :1], grey[inner])
    assert (grey[:6] == 60).all()
    assert (coloured[:6] == (30, 60, 90)).all()


def test_another_size_keeps_the_part_of_the_image_that_is_seen() -> None:
    own = Preparation(224, (0.5,) * 3, (0.5,) * 3, "shortest", 0.875, "bicubic")
    assert own.scaling(224).side == 256
    assert own.scaling(448).side == 512
    own = Preparation(224, (0.5,) * 3, (0.5,) * 3, "shortest", Fraction(224, 232), "bilinear")
    assert own.scaling(224).side == 232


def test_model_without_a_scaling_or_a_scaling_without_model_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="resize is model, scaling None"):
        Preprocessing(40, "model", True)
    with pytest.raises(ValueError, match="resize is stretch, scaling Scaling"):
        Preprocessing(40, "stretch", True, Scaling("squash", 40, "bicubic"))
