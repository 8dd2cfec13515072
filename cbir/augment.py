"""Two views of each image of a batch for contrastive training, computed where the batch is."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from cbir.draws import Draws
from cbir.errors import UserError
from cbir.fields import affine, sampling_grid
from cbir.reprint import PRESS, blur, luminance, reprint

Augmentation = Literal["press", "simclr"]
View = Callable[[Tensor, torch.Generator], Tensor]  # images (B, C, S, S) in 0..1 to others of the same shape

PRESS_SIZE = 160  # px; the lengths in cbir.reprint.PRESS suit images of this size


def build_view(augmentation: Augmentation, *, image_size: int, clean: float = 0.0) -> View:
    """What makes one view of each image; called twice, it makes the two views that training compares.

    Args:
        augmentation: ``press``, what reprinting does, or ``simclr``, as published.
        image_size: px, for the lengths of ``press``.
        clean: part of the views that ``press`` leaves as they are: a network that starts from nothing learns from such
            pairs first.

    Raises:
        UserError: there is no such augmentation.
    """
    if augmentation == "press":
        press = PRESS.scaled(image_size / PRESS_SIZE)

        def press_view(images: Tensor, generator: torch.Generator) -> Tensor:
            reprinted = reprint(images, press, generator=generator)
            if not clean:
                return reprinted
            draws = Draws(len(images), generator=generator, device=images.device)
            return _where(draws.chance(clean), images, reprinted)

        return press_view
    if augmentation == "simclr":
        return simclr_view
    raise UserError(f"augmentation must be press or simclr, is {augmentation!r}")


@torch.no_grad()
def simclr_view(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random resized crop, flip, colour jitter, greyscale and blur, each image with its own draw.

    Colour jitter is applied in the order brightness, contrast, saturation, hue; grey images know the first two.
    Source: Chen, Kornblith, Norouzi and Hinton, A Simple Framework for Contrastive Learning of Visual Representations,
    ICML 2020, appendix A, with its values for ImageNet.

    Args:
        images: (B, C, S, S) float in 0..1; C is 1 or 3.
        generator: the only source of chance.
    """
    draws = Draws(len(images), generator=generator, device=images.device)
    images = _crop_and_flip(images, draws)
    images = _where(draws.chance(0.8), _jitter(images, draws), images)
    if images.shape[1] == 3:
        images = _where(draws.chance(0.2), luminance(images)[:, None].expand_as(images), images)
    return _where(draws.chance(0.5), _blur(images, draws), images)


def _crop_and_flip(images: Tensor, draws: Draws) -> Tensor:
    height, width = images.shape[-2:]
    area, aspect = draws.between((0.08, 1.0)), draws.ratio((3 / 4, 4 / 3))
    across, down = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    x, y = draws.between((-1, 1)) * (1 - across), draws.between((-1, 1)) * (1 - down)
    flipped = torch.where(draws.chance(0.5), -across, across)
    none = torch.zeros_like(x)
    crop = affine(flipped / (width / 2), none, x, none, down / (height / 2), y)
    grid = sampling_grid(crop, height=height, width=width)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _jitter(images: Tensor, draws: Draws) -> Tensor:
    images = (images * _factor(draws)).clamp(0, 1)
    mean = luminance(images).mean(dim=(1, 2))[:, None, None, None]
    images = torch.lerp(mean, images, _factor(draws)).clamp(0, 1)
    if images.shape[1] == 1:
        return images
    from kornia.enhance import adjust_hue

    images = torch.lerp(luminance(images)[:, None], images, _factor(draws)).clamp(0, 1)
    return adjust_hue(images, draws.between((-0.2, 0.2)) * 2 * torch.pi).clamp(0, 1)


def _factor(draws: Draws) -> Tensor:
    return draws.between((0.2, 1.8))[:, None, None, None]


def _blur(images: Tensor, draws: Draws) -> Tensor:
    largest = 2.0 * images.shape[-1] / 224  # the published deviations, 0.1 to 2 px, are those of 224 px
    sigma = draws.between((0.1 * largest / 2, largest)).repeat_interleave(images.shape[1])
    return blur(images.flatten(0, 1), sigma=sigma, largest=largest).view_as(images)


def _where(chosen: Tensor, there: Tensor, elsewhere: Tensor) -> Tensor:
    return torch.where(chosen[:, None, None, None], there, elsewhere)
