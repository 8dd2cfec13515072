"""cbir.training.views: views of a batch, each image with its own draw."""

from typing import Any

import pytest
import torch

from cbir.base.errors import UserError
from cbir.training.views import build_view


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, channels: int) -> torch.Tensor:
    coarse = torch.rand(count, channels, 6, 6, generator=chance())
    return torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("augmentation", ["press", "simclr", "mild", "crops"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_has_the_shape_and_range_of_the_batch(augmentation: Any, channels: int) -> None:
    images = pictures(6, channels)
    view = build_view(augmentation, image_size=64)(images, chance())
    assert view.shape == images.shape
    assert view.dtype == torch.float32
    assert 0 <= view.min() < view.max() <= 1


@pytest.mark.parametrize("augmentation", ["press", "simclr", "mild", "crops", "none"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_is_the_same_where_the_network_computes_in_bfloat16(augmentation: Any, channels: int) -> None:
    images = pictures(6, channels)
    make = build_view(augmentation, image_size=64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        view = make(images, chance())
    assert torch.equal(view, make(images, chance()))


@pytest.mark.parametrize("augmentation", ["press", "simclr", "mild", "crops"])
def test_views_follow_from_the_generator_and_differ_from_image_to_image(augmentation: Any) -> None:
    make = build_view(augmentation, image_size=64)
    same = pictures(1, 1).expand(4, -1, -1, -1)
    view = make(same, chance(1))
    assert torch.equal(view, make(same, chance(1)))
    assert not torch.equal(view, make(same, chance(2)))
    assert not any(torch.allclose(view[0], other, atol=0.02) for other in view[1:])


@pytest.mark.parametrize("augmentation", ["simclr", "mild", "crops"])
def test_half_of_the_views_are_flipped(augmentation: Any) -> None:
    ramp = torch.linspace(0, 1, 64).expand(400, 1, 64, 64)
    view = build_view(augmentation, image_size=64)(ramp, chance())
    rising = view[:, 0, 32, -8:].mean(dim=1) > view[:, 0, 32, :8].mean(dim=1)
    assert 0.4 < rising.float().mean() < 0.6


def test_simclr_turns_a_fifth_and_more_of_the_colours_grey() -> None:
    red = torch.tensor([0.8, 0.3, 0.3])[:, None, None].expand(400, 3, 32, 32)
    view = build_view("simclr", image_size=32)(red, chance())
    grey = (view.amax(dim=1) - view.amin(dim=1)).amax(dim=(1, 2)) < 0.02
    assert 0.15 < grey.float().mean() < 0.35


def test_the_lengths_of_press_follow_the_images() -> None:
    images = pictures(8, 1)
    small, large = (build_view("press", image_size=size)(images, chance()) for size in (64, 256))
    assert not torch.equal(small, large)


def part_of_ramp(view: torch.Tensor) -> torch.Tensor:
    """Returns the part of the width of a ramp from 0 to 1 that the middle row of each view shows."""
    return (view[:, 0, 32, -1] - view[:, 0, 32, 0]).abs()


def test_crops_keep_8_percent_to_all_of_the_area_and_mild_keeps_80() -> None:
    ramp = torch.linspace(0, 1, 64).expand(400, 1, 64, 64)
    crops = part_of_ramp(build_view("crops", image_size=64)(ramp, chance()))
    assert crops.min() < 0.4
    assert crops.max() > 0.9
    dim = ramp * 0.5 + 0.25  # far from where the jitter clips
    mild = part_of_ramp(build_view("mild", image_size=64)(dim, chance())) * 2
    assert mild.min() > 0.8 * 0.75**0.5 * 0.8 * 0.8 * 0.98  # area, aspect, brightness and contrast, rotation
    assert mild.max() < 1.2 * 1.2


def test_mild_turns_by_ten_degrees_at_most() -> None:
    stripe = torch.zeros(400, 1, 64, 64)
    stripe[:, :, 30:34] = 1.0
    view = build_view("mild", image_size=64)(stripe, chance())[:, 0]
    rows = torch.arange(64.0)[:, None]
    left, right = (
        (view[:, :, at] * rows).sum((1, 2)) / view[:, :, at].sum((1, 2)) for at in (slice(8, 16), slice(48, 56))
    )
    angles = torch.rad2deg(torch.atan((right - left) / 40))
    assert 7 < angles.abs().max() < 13  # the crop's aspect stretches 10 degrees a little


def test_none_leaves_the_images_as_they_are() -> None:
    images = pictures(4, 1)
    assert torch.equal(build_view("none", image_size=64)(images, chance()), images)


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(
        UserError, match="augmentation must be one of press, hard_press, simclr, mild, crops, none, is 'some'"
    ):
        build_view("some", image_size=64)  # type: ignore[arg-type]


def test_press_leaves_as_many_views_alone_as_it_is_told() -> None:
    images = pictures(1, 1).expand(400, -1, -1, -1)
    view = build_view("press", image_size=64, clean=0.3)(images, chance())
    untouched = (view == images).flatten(1).all(dim=1).float().mean()
    assert 0.22 < untouched < 0.38
