"""Damages a photograph further: as its negative, in the retoucher's hands, folded, bound, shone through, and in a small
file.

A damage whose setting is 0 draws nothing, so that settings without it give the images that they always gave.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cbir.reprints.affine import affine_field
from cbir.reprints.draws import Draws
from cbir.reprints.press import Press

_FIELD = 4  # cells along one side of the field by which a second print is exposed otherwise
_SPOTS = 2  # places that a retoucher paints over
_FOLDS = 2


def damage_picture(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Damages pictures (B, H, W), 0 black to 1 white, before they are printed."""
    if press.negative:
        tone = _some(tone, draws.chance(press.negative), lambda rows: 1 - tone[rows])
    if press.dodging[1]:
        tone = _dodge(tone, press, draws)
    if press.painted:
        tone = _paint(tone, press, draws)
    return tone


def damage_page(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Damages pages (B, H, W), 0 full ink to 1 bare paper, after they were printed."""
    if press.bleed:
        tone = _bleed(tone, press, draws)
    if press.fold:
        tone = _fold(tone, press, draws)
    if press.gutter:
        tone = _bind(tone, press, draws)
    return tone


def compress(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Stores scans (B, H, W) in 0..1 as JPEG and reads them, as far as ``press.jpeg`` says."""
    if not press.jpeg:
        return tone
    stored, quality = draws.chance(press.jpeg), draws.between(press.quality)

    def squeezed(rows: Tensor) -> Tensor:
        images = (tone[rows] * 255).round().byte().cpu().numpy()
        pairs = zip(images, quality[rows].tolist(), strict=True)
        return torch.from_numpy(np.stack([_through_jpeg(*pair) for pair in pairs])).to(tone) / 255

    return _some(tone, stored, squeezed)


def _some(tone: Tensor, chosen: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Changes the chosen images alone; ``change`` takes their rows and returns what takes their place."""
    rows = chosen.nonzero()[:, 0]
    return tone.index_copy(0, rows, change(rows)) if len(rows) else tone


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None]


def _dodge(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Exposes parts of the picture more and others less, as every print of a negative has it."""
    stops = _wide(draws.between(press.dodging)) * (2 * draws.uniform(_FIELD, _FIELD) - 1)
    size = tone.shape[1:]
    field = F.interpolate(stops[:, None], size=size, mode="bilinear", align_corners=True)[:, 0]
    return tone.clamp(min=1e-3).pow(2**field)


def _paint(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Paints places over in one flat tone, with the brush's soft edge."""
    height, width = tone.shape[1:]
    chosen = draws.chance(press.painted)
    for _ in range(_SPOTS):
        area, aspect = draws.between(press.painted_part), draws.ratio((0.5, 2.0))
        x, y, flat = draws.between((-0.5, 0.5)) * width, draws.between((-0.5, 0.5)) * height, draws.uniform()
        half_width, half_height = (area * aspect / torch.pi).sqrt() * width, (area / aspect / torch.pi).sqrt() * height
        none = torch.zeros_like(x)
        across = affine_field(1 / half_width, none, -x / half_width, height=height, width=width)
        down = affine_field(none, 1 / half_height, -y / half_height, height=height, width=width)
        inside = (4 * (1 - torch.hypot(across, down))).clamp(0, 1) * _wide(chosen)
        tone = torch.lerp(tone, _wide(flat).expand_as(tone), inside)
    return tone


def _bleed(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Lets another image of the batch shine through, mirrored, as the page's other side does."""
    depth = draws.between(press.bleed_depth) * draws.chance(press.bleed)
    back = F.avg_pool2d(tone.roll(1, 0).flip(2)[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    return tone * (1 - _wide(depth) * (1 - back))


def _fold(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Folds the page across the picture: a line, darker or lighter than what it crosses."""
    height, width = tone.shape[1:]
    chosen, side = draws.chance(press.fold), max(height, width)
    for _ in range(_FOLDS):
        angle, offset = torch.pi * draws.uniform(), draws.between((-0.4, 0.4)) * side
        breadth, depth = draws.between(press.fold_breadth) * side, draws.between(press.fold_depth) * chosen
        distance = affine_field(torch.cos(angle), torch.sin(angle), offset, height=height, width=width)
        tone = tone + _wide(depth) * torch.exp(-((distance / _wide(breadth)) ** 2))
    return tone.clamp(0, 1)


def _bind(tone: Tensor, press: Press, draws: Draws) -> Tensor:
    """Darkens the page towards a book's gutter, at its left or right."""
    width = tone.shape[2]
    depth = draws.between(press.gutter_depth) * draws.chance(press.gutter)
    reach = draws.between(press.gutter_reach) * width
    column = torch.arange(width, device=tone.device)
    distance = torch.where(draws.chance(0.5)[:, None], column, width - 1 - column)
    return tone * (1 - depth[:, None] * torch.exp(-distance / reach[:, None]))[:, None]


def _through_jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE))
