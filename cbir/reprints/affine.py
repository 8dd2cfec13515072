"""Coordinates on a batch of images: affine functions of a pixel's place, of which screens, pages and crops are made."""

import torch
from torch import Tensor


def affine_field(x: Tensor, y: Tensor, offset: Tensor, *, height: int, width: int, out: Tensor | None = None) -> Tensor:
    """``x * column + y * row + offset`` at each pixel, columns and rows in px from the image's centre.

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
    """The affine map that does ``inner`` first: (B, 2, 3) each, columns x, y and offset."""
    linear = outer[:, :, :2] @ inner[:, :, :2]
    offset = outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]
    return torch.cat([linear, offset], dim=2)


def affine(xx: Tensor, xy: Tensor, x: Tensor, yx: Tensor, yy: Tensor, y: Tensor) -> Tensor:
    """(B, 2, 3) maps (column, row) to (xx * column + xy * row + x, yx * column + yy * row + y)."""
    return torch.stack([torch.stack([xx, xy, x], dim=1), torch.stack([yx, yy, y], dim=1)], dim=1)


def rotation(degrees: Tensor) -> Tensor:
    """(B, 2, 3), turning by ``degrees`` (B,) from the x axis towards the y axis about the centre."""
    cosine, sine, none = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees)), torch.zeros_like(degrees)
    return affine(cosine, -sine, none, sine, cosine, none)


def sampling_grid(transform: Tensor, *, height: int, width: int) -> Tensor:
    """``transform`` (B, 2, 3) at each pixel as ``grid_sample`` wants it: (B, H, W, 2)."""
    grid = torch.empty(len(transform), height, width, 2, device=transform.device)
    for axis in (0, 1):
        x, y, offset = transform[:, axis].unbind(1)
        affine_field(x, y, offset, height=height, width=width, out=grid[..., axis])
    return grid
