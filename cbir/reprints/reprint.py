"""A model of newspaper reprinting: crop, tone, halftone screen, page, ink, paper and scan, drawn for each image."""

from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

from cbir.reprints.affine import affine, compose, rotation, sampling_grid
from cbir.reprints.damage import compress, damage_page, damage_picture
from cbir.reprints.draws import Draws
from cbir.reprints.page import Page, compose_page, draw_page
from cbir.reprints.press import MILD, PRESS, SEVERE_UNSEEN, Press
from cbir.reprints.screens import SHAPES, halftone

__all__ = ["MILD", "PRESS", "SEVERE_UNSEEN", "Press", "blur", "curve", "luminance", "posterise", "reprint"]

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_YELLOW = (0.0, 0.35, 1.0)  # what old paper takes from red, green and blue


@torch.no_grad()
def reprint(images: Tensor, press: Press, *, generator: torch.Generator) -> Tensor:
    """Photographs as newspapers would print them and archives would scan them, an independent draw for each.

    Args:
        images: (B, C, H, W) float in 0..1; C is 1, or 3 for RGB. Colours turn to the greys of one ink on tinted paper.
        press: what may be drawn.
        generator: the only source of chance; it may live on another device than the images.

    Returns:
        New images of the same shape, type and device, in 0..1. The same generator state gives the same images.
    """
    height, width = images.shape[-2:]
    draws = Draws(len(images), generator=generator, device=images.device)
    page = draw_page(press, draws, height=height, width=width)
    grid = sampling_grid(_image_to_original(press, draws, page), height=height, width=width)
    grey = luminance(images.float())[:, None]
    tone = F.grid_sample(grey, grid, padding_mode="reflection", align_corners=False)[:, 0]
    tone = _expose(damage_picture(tone, press, draws), press, draws)
    tone = _screen(tone, press, draws, tilt=page.tilt)
    tone = damage_page(compose_page(tone, page), press, draws)
    tone = compress(_print(tone, press, draws), press, draws)
    if images.shape[1] == 1:
        return tone[:, None].to(images.dtype)
    tint = draws.between(press.tint)[:, None] * torch.tensor(_YELLOW, device=images.device)
    return (tone[:, None] * (1 - tint)[..., None, None]).to(images.dtype)


def _image_to_original(press: Press, draws: Draws, page: Page) -> Tensor:
    """Returns maps (B, 2, 3) from a px of the image to the place in the original, -1..1 both ways, that is printed
    there.
    """
    area, aspect = draws.between(press.crop), draws.ratio(press.aspect)
    across, down = (area * aspect).sqrt(), (area / aspect).sqrt()
    excess = torch.maximum(across, down).clamp(min=1)
    across, down = across / excess, down / excess
    x, y = draws.between((-1, 1)) * (1 - across), draws.between((-1, 1)) * (1 - down)
    none, unit = torch.zeros_like(x), torch.ones_like(x)
    side = torch.where(draws.chance(press.mirror), -across, across)
    onto_picture = affine(unit, none, -page.x, none, unit, -page.y)
    into_original = affine(side / page.half_width, none, x, none, down / page.half_height, y)
    turned = compose(rotation(draws.between(press.rotation)), compose(onto_picture, rotation(page.tilt)))
    return compose(into_original, turned)


def luminance(images: Tensor) -> Tensor:
    """Converts images (B, C, H, W), grey or RGB, to their luminance (B, H, W)."""
    if images.shape[1] == 1:
        return images[:, 0]
    return torch.einsum("bchw,c->bhw", images, torch.tensor(_LUMINANCE, device=images.device))


def curve(tone: Tensor, *, black: Tensor, white: Tensor, midtone: Tensor) -> Tensor:
    """Returns the tone curve: ``black`` becomes 0, ``white`` 1, the middle rises by a quarter of ``midtone``; (B,)
    each.
    """
    scale = 1 / (white - black)
    tone = (tone * scale[:, None, None]).sub_((black * scale)[:, None, None]).clamp_(0, 1)
    return torch.addcmul(tone, tone * (1 - tone), midtone[:, None, None])


def posterise(tone: Tensor, *, tones: Tensor) -> Tensor:
    """Reduces tones (B, H, W) to ``tones`` (B,) flat ones, a number that need not be whole."""
    steps = (tones - 1)[:, None, None]
    return (tone * steps).round_().div_(steps).clamp_(0, 1)


def blur(tone: Tensor, *, sigma: Tensor, largest: float) -> Tensor:
    """Blurs (B, H, W) by a Gaussian of ``sigma`` (B,) px; ``largest`` bounds them and sets the kernel's width."""
    radius = min(max(1, ceil(2 * largest)), *tone.shape[1:])
    weights = torch.exp(-0.5 * (torch.arange(radius + 1, device=tone.device) / sigma.clamp(min=0.1)[:, None]) ** 2)
    weights = (weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1]))[..., None, None]
    padded = F.pad(tone[None], (radius,) * 4, mode="replicate")[0]
    return _weigh(_weigh(padded, weights, dim=1), weights, dim=2)


def _weigh(padded: Tensor, weights: Tensor, *, dim: int) -> Tensor:
    """Returns a symmetric filter along one dimension, which loses the padding; much faster than a grouped
    convolution.
    """
    radius = weights.shape[1] - 1
    size = padded.shape[dim] - 2 * radius
    result = padded.narrow(dim, radius, size) * weights[:, 0]
    for step in range(1, radius + 1):
        both = padded.narrow(dim, radius - step, size) + padded.narrow(dim, radius + step, size)
        result.addcmul_(both, weights[:, step])
    return result


def _expose(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    black, white, midtone = draws.between(press.black), draws.between(press.white), draws.between(press.midtone)
    tone = curve(tone, black=black, white=white, midtone=midtone)
    flat, tones = draws.chance(press.posterise).nonzero()[:, 0], draws.between(press.tones)
    return tone.index_copy_(0, flat, posterise(tone[flat], tones=tones[flat]))


def _screen(tone: Tensor, press: Press, draws: Draws, *, tilt: Tensor) -> Tensor:
    shape = draws.choice([SHAPES.index(name) for name in press.shapes])
    period, angle, edge = draws.ratio(press.period), draws.between(press.angle), draws.between(press.edge)
    strength = draws.between(press.strength) * draws.chance(press.screen)
    dots = halftone(tone, period=period, angle=angle - tilt, shape=shape, edge=edge, phase=draws.uniform(2))
    return torch.lerp(tone, dots, strength[:, None, None])


def _print(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Prints and scans: from (B, H, W), 0 full ink to 1 bare paper, to the reflectance that the scanner sees."""
    height, width = tone.shape[1:]
    tone = blur(tone, sigma=draws.between(press.blur), largest=press.blur[1])
    tone = torch.addcmul(tone, tone * (1 - tone), -draws.between(press.gain)[:, None, None])
    ink, paper = draws.between(press.ink), draws.between(press.paper)
    tone = tone.mul_((paper - ink)[:, None, None]).add_(ink[:, None, None])
    tone = tone.mul_(_light(press, draws, height=height, width=width))
    noise = (12**0.5 * draws.between(press.noise))[:, None, None]  # an even draw over 1 has a deviation of 1 / sqrt(12)
    return tone.add_(draws.uniform(height, width).sub_(0.5).mul_(noise)).clamp_(0, 1)


def _light(press: Press, draws: Draws, *, height: int, width: int) -> Tensor:
    """Returns factors (B, H, W) for stains, dark corners, and streaks along or across."""
    cells = 1 - draws.between(press.stains)[:, None, None] * draws.uniform(7, 7)
    across = torch.linspace(-1, 1, 7, device=cells.device) ** 2
    corners = (across + across[:, None]) / 2 * draws.between(press.vignette)[:, None, None]
    light = F.interpolate((cells - corners)[:, None], size=(height, width), mode="bilinear", align_corners=True)[:, 0]
    depth = draws.between(press.streak_depth) * draws.chance(press.streaks)
    along = draws.chance(0.5)
    light.mul_(1 - (depth * along)[:, None, None] * draws.uniform(1, width))
    return light.mul_(1 - (depth * ~along)[:, None, None] * draws.uniform(height, 1))
