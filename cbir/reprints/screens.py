"""The halftone screens of newspapers: clustered dots whose size follows the tone (amplitude modulation)."""

import functools
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from cbir.reprints.affine import affine_field

_CELL: Final = 64  # steps along one side of a threshold cell

# Spot functions over a cell with both coordinates in -1..1; where the value is highest, ink comes first.
_SPOTS: Final[dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "round": lambda x, y: np.cos(np.pi * x) + np.cos(np.pi * y),  # dots, then a chequerboard, then round holes
    "dot": lambda x, y: -(x**2 + y**2),  # round up to the shadows
    "ellipse": lambda x, y: 1.3 * np.cos(np.pi * x) + 0.7 * np.cos(np.pi * y),  # joins in chains first
    "diamond": lambda x, y: -np.abs(x) - np.abs(y),
    "square": lambda x, y: -np.maximum(np.abs(x), np.abs(y)),
    "line": lambda x, y: np.cos(np.pi * y) + 1e-3 * np.cos(np.pi * x),
    "cross": lambda x, y: -np.minimum(np.abs(x), np.abs(y)),  # lines both ways
}

SHAPES: Final = tuple(_SPOTS)


@functools.cache
def threshold_cells() -> Tensor:
    """Returns the threshold cell of each of ``SHAPES``: (shapes, 64, 64) float32, in 0..1.

    A spot function's values are replaced by their ranks, so each tone inks exactly its share of the cell: the method of
    the PostScript Language Reference, 3rd ed., 1999, section 7.4.3 (spot functions).
    """
    centres = (np.arange(_CELL) + 0.5) / _CELL * 2 - 1
    x, y = np.meshgrid(centres, centres)
    cells = []
    for spot in _SPOTS.values():
        order = np.argsort(-spot(x, y).ravel().round(9), kind="stable")
        ranks = np.empty(order.size, dtype=np.float32)
        ranks[order] = (np.arange(order.size) + 0.5) / order.size
        cells.append(ranks.reshape(_CELL, _CELL))
    return torch.from_numpy(np.stack(cells))


@functools.cache
def _cells_on(device: torch.device) -> Tensor:
    return threshold_cells().to(device).flatten()


def halftone(
    tone: Tensor,
    *,
    period: Tensor,
    angle: Tensor,
    shape: Tensor,
    edge: float | Tensor = 1.0,
    phase: Tensor | None = None,
) -> Tensor:
    """Screens a continuous tone by dots of ink that are large in shadows and small in lights.

    Amplitude-modulated clustered-dot halftoning (Ulichney, Digital Halftoning, 1987, chapter 5): ink lies where the
    darkness exceeds a periodic threshold. The mean tone is kept, but for the last few per cent next to black and white.

    Args:
        tone: (B, H, W), 0 black to 1 white.
        period: (B,) px from dot to dot.
        angle: (B,) degrees of the rows of dots, from the x axis towards the y axis.
        shape: (B,) whole numbers, places in ``SHAPES``.
        edge: px over which a dot's edge fades; a scanner's pixel is about 1.
        phase: (B, 2) where the screen begins, in periods; 0 by default.

    Returns:
        (B, H, W), 0 full ink to 1 bare paper.
    """
    cosine, sine = torch.cos(torch.deg2rad(angle)) / period, torch.sin(torch.deg2rad(angle)) / period
    start = torch.zeros(len(tone), 2, device=tone.device) if phase is None else phase
    height, width = tone.shape[-2:]
    column = _cell_step(affine_field(cosine, sine, start[:, 0], height=height, width=width))
    row = _cell_step(affine_field(-sine, cosine, start[:, 1], height=height, width=width))
    place = row.mul_(_CELL).add_(column).add_((shape.to(torch.int32) * _CELL**2)[:, None, None])
    threshold = _cells_on(tone.device).index_select(0, place.flatten()).view_as(tone)
    # From a dot's middle to its outermost corner the threshold climbs from 0 to 1 over 0.7 periods.
    steepness = torch.clamp(0.7 * period / edge, min=1.0)[:, None, None]
    return threshold.add_(tone).sub_(1).mul_(steepness).add_(0.5).clamp_(0, 1)


def _cell_step(position: Tensor) -> Tensor:
    """Converts a position in periods to the step within its cell; ``_CELL`` is a power of two, so the low bits
    remain.
    """
    return position.mul_(_CELL).floor_().to(torch.int32).bitwise_and_(_CELL - 1)
