"""Affine maps and fields over a batch of images; screens, pages and crops are computed from them."""

import torch
from torch import Tensor


def affine_field(x: Tensor, y: Tensor, offset: Tensor, *, height: int, width: int, out: Tensor | None = None) -> Tensor:
    """Computes ``x * column + y * row + offset`` at each pixel; columns and rows are in px from the image's centre.

    Args:
        x, y, offset: (B,), one value an image.
        out: (B, H, W) to write to.

    Returns:
        (B, H, W) float32.
    """
    columns = torch.arange(width, device=x.device) - (width - 1) / 2
    rows = torch.arange(height, device=x.device) - (height - 1) / 2
    across = x[:, None, None] * columns + offset[:, None, None]
    return torch.add(across, y[:, None, None] * rows[:, None], out=out)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Composes affine maps (B, 2, 3) with columns x, y and offset; ``inner`` is applied first."""
    linear = outer[:, :, :2] @ inner[:, :, :2]
    offset = outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]
    return torch.cat([linear, offset], dim=2)


def affine(xx: Tensor, xy: Tensor, x: Tensor, yx: Tensor, yy: Tensor, y: Tensor) -> Tensor:
    """Returns maps (B, 2, 3) from (column, row) to (xx * column + xy * row + x, yx * column + yy * row + y)."""
    return torch.stack([torch.stack([xx, xy, x], dim=1), torch.stack([yx, yy, y], dim=1)], dim=1)


def rotation(degrees: Tensor) -> Tensor:
    """Returns maps (B, 2, 3) that turn by ``degrees`` (B,) from the x axis towards the y axis about the centre."""
    cosine, sine, none = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees)), torch.zeros_like(degrees)
    return affine(cosine, -sine, none, sine, cosine, none)


def sampling_grid(transform: Tensor, *, height: int, width: int) -> Tensor:
    """Evaluates ``transform`` (B, 2, 3) at each pixel and returns a grid (B, H, W, 2) for ``grid_sample``."""
    grid = torch.empty(len(transform), height, width, 2, device=transform.device)
    for axis in (0, 1):
        x, y, offset = transform[:, axis].unbind(1)
        affine_field(x, y, offset, height=height, width=width, out=grid[..., axis])
    return grid
