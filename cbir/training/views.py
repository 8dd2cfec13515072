"""Makes the training views of each image of a batch, on the device of the batch."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from cbir.base.errors import UserError
from cbir.reprints.affine import affine, compose, rotation, sampling_grid
from cbir.reprints.draws import Draws, Range
from cbir.reprints.press import HARD_PRESS, PRESS, PRESS_SIZE, Press
from cbir.reprints.reprint import blur, luminance, reprint

Augmentation = Literal["press", "hard_press", "simclr", "mild", "crops", "none"]
_PRESSES: dict[str, Press] = {"press": PRESS, "hard_press": HARD_PRESS}
View = Callable[[Tensor, torch.Generator], Tensor]  # images (B, C, S, S) in 0..1 to others of the same shape


def build_view(augmentation: Augmentation, *, image_size: int, clean: float = 0.0) -> View:
    """Returns the function that makes a view of each image; called twice, it makes the two views that training
    compares.

    Args:
        augmentation: ``press``, what reprinting does; ``hard_press``, the same and what ruins a picture; ``simclr``, as
            published; ``mild``; ``crops``, of ``simclr`` the crops and flips alone; ``none``, the images as they are.
        image_size: px, for the lengths of both presses.
        clean: part of the views that a press leaves as they are: a network that starts from nothing learns from such
            pairs first, and one that sees none forgets plain copies.

    Raises:
        UserError: there is no such augmentation.
    """
    make = _view_of(augmentation, image_size=image_size, clean=clean)

    def view(images: Tensor, generator: torch.Generator) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):  # tones and places need more digits than bfloat16 has
            return make(images, generator)

    return view


def _view_of(augmentation: Augmentation, *, image_size: int, clean: float) -> View:
    if augmentation in _PRESSES:
        press = _PRESSES[augmentation].scaled(image_size / PRESS_SIZE)

        def press_view(images: Tensor, generator: torch.Generator) -> Tensor:
            reprinted = reprint(images, press, generator=generator)
            if not clean:
                return reprinted
            draws = Draws(len(images), generator=generator, device=images.device)
            return _where(draws.chance(clean), images, reprinted)

        return press_view
    views: dict[str, View] = {"simclr": simclr_view, "mild": mild_view, "crops": crops_view, "none": _as_it_is}
    if augmentation not in views:
        raise UserError(f"augmentation must be one of {', '.join((*_PRESSES, *views))}, is {augmentation!r}")
    return views[augmentation]


@torch.no_grad()
def simclr_view(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns a random resized crop, flip, colour jitter, greyscale and blur, each image with its own draw.

    Colour jitter is applied in the order brightness, contrast, saturation, hue; grey images know the first two.
    Source: Chen, Kornblith, Norouzi and Hinton, A Simple Framework for Contrastive Learning of Visual Representations,
    ICML 2020, appendix A, with its values for ImageNet.

    Args:
        images: (B, C, S, S) float in 0..1; C is 1 or 3.
        generator: the only source of chance.
    """
    draws = Draws(len(images), generator=generator, device=images.device)
    images = _crop_and_flip(images, draws)
    images = _where(draws.chance(0.8), _jitter(images, draws, strength=0.8, hue=0.2), images)
    if images.shape[1] == 3:
        images = _where(draws.chance(0.2), luminance(images)[:, None].expand_as(images), images)
    return _where(draws.chance(0.5), _blur(images, draws), images)


@torch.no_grad()
def mild_view(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns a resized crop of 80 to 100 % of the area, a rotation of at most 10°, a flip, and brightness, contrast
    and saturation changed by at most a fifth: little enough that a caption stays true.
    """
    draws = Draws(len(images), generator=generator, device=images.device)
    images = _crop_and_flip(images, draws, kept=(0.8, 1.0), degrees=10.0)
    return _jitter(images, draws, strength=0.2, hue=0.0)


@torch.no_grad()
def crops_view(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns a random resized crop of 8 to 100 % of the area, and a flip."""
    return _crop_and_flip(images, Draws(len(images), generator=generator, device=images.device))


def _as_it_is(images: Tensor, generator: torch.Generator) -> Tensor:
    return images


def _crop_and_flip(images: Tensor, draws: Draws, *, kept: Range = (0.08, 1.0), degrees: float = 0.0) -> Tensor:
    height, width = images.shape[-2:]
    area, aspect = draws.between(kept), draws.ratio((3 / 4, 4 / 3))
    across, down = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    x, y = draws.between((-1, 1)) * (1 - across), draws.between((-1, 1)) * (1 - down)
    flipped = torch.where(draws.chance(0.5), -across, across)
    none = torch.zeros_like(x)
    crop = affine(flipped / (width / 2), none, x, none, down / (height / 2), y)
    if degrees:
        crop = compose(crop, rotation(draws.between((-degrees, degrees))))
    grid = sampling_grid(crop, height=height, width=width)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _jitter(images: Tensor, draws: Draws, *, strength: float, hue: float) -> Tensor:
    """Factors of 1 ± ``strength``, the hue turned by at most ``hue`` of the circle."""
    factors = (1 - strength, 1 + strength)
    images = (images * _factor(draws, factors)).clamp(0, 1)
    mean = luminance(images).mean(dim=(1, 2))[:, None, None, None]
    images = torch.lerp(mean, images, _factor(draws, factors)).clamp(0, 1)
    if images.shape[1] == 1:
        return images
    images = torch.lerp(luminance(images)[:, None], images, _factor(draws, factors)).clamp(0, 1)
    if not hue:
        return images
    from kornia.enhance import adjust_hue

    return adjust_hue(images, draws.between((-hue, hue)) * 2 * torch.pi).clamp(0, 1)


def _factor(draws: Draws, bounds: Range) -> Tensor:
    return draws.between(bounds)[:, None, None, None]


def _blur(images: Tensor, draws: Draws) -> Tensor:
    largest = 2.0 * images.shape[-1] / 224  # the published deviations, 0.1 to 2 px, are those of 224 px
    sigma = draws.between((0.1 * largest / 2, largest)).repeat_interleave(images.shape[1])
    return blur(images.flatten(0, 1), sigma=sigma, largest=largest).view_as(images)


def _where(chosen: Tensor, where_chosen: Tensor, elsewhere: Tensor) -> Tensor:
    return torch.where(chosen[:, None, None, None], where_chosen, elsewhere)
