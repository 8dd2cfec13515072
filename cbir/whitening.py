"""A linear map, learned on the training images, that makes embeddings centred or white."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cbir.errors import UserError

WhiteningKind = Literal["none", "centre", "pca"]

SMALLEST_VARIANCE = 1e-4  # of the largest; a direction with less holds rounding errors, which whitening would blow up


class Whitening(nn.Module):
    """L2-normalised vectors (B, d) to centred and, for ``pca``, white ones (B, e); the caller normalises again."""

    def __init__(self, mean: Tensor, projection: Tensor | None) -> None:
        super().__init__()
        self.mean: Tensor
        self.projection: Tensor | None
        self.register_buffer("mean", mean)
        self.register_buffer("projection", projection)

    def forward(self, vectors: Tensor) -> Tensor:
        centred = vectors - self.mean
        return centred if self.projection is None else functional.linear(centred, self.projection)


def learn_whitening(vectors: Tensor, kind: WhiteningKind) -> nn.Module:
    """The whitening of L2-normalised ``vectors`` (n, d), float32; an identity for ``none``.

    ``pca`` projects on the principal components and divides by their standard deviations. Fewer images than dimensions
    give fewer components: n - 1 at most.
    Source: Jégou and Chum, Negative Evidences and Co-occurrences in Image Retrieval: The Benefit of PCA and Whitening,
    ECCV 2012.

    Raises:
        UserError: an unknown kind, or fewer than two different vectors to learn from.
    """
    if kind == "none":
        return nn.Identity()
    if kind not in ("centre", "pca"):
        raise UserError(f"whitening must be none, centre or pca, is {kind!r}")
    if len(vectors) < 2:
        raise UserError(
            f"whitening {kind} needs at least 2 training images, there are {len(vectors)}; set whitening: none"
        )
    exact = vectors.double()
    mean = exact.mean(dim=0)
    projection = _principal_axes(exact - mean).float() if kind == "pca" else None
    return Whitening(mean.float(), projection)


def empty_whitening(kind: WhiteningKind, *, pooled: int, dimension: int) -> nn.Module:
    """The module that a saved state is loaded into: from ``pooled`` to ``dimension`` components."""
    if kind == "none":
        return nn.Identity()
    return Whitening(torch.zeros(pooled), torch.zeros(dimension, pooled) if kind == "pca" else None)


def _principal_axes(centred: Tensor) -> Tensor:
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    variances, axes = variances.flip(0), axes.flip(1)
    kept = int((variances > SMALLEST_VARIANCE * variances[0]).sum())
    if variances[0] <= 0 or kept == 0:
        raise UserError(
            "whitening pca needs training images that differ, all embeddings are equal; set whitening: none"
        )
    kept = min(kept, len(centred) - 1)
    axes = axes[:, :kept] / variances[:kept].sqrt()
    largest = axes.abs().argmax(dim=0)
    signs = axes[largest, torch.arange(kept)].sign()  # an axis has no direction of its own: fix one
    return (axes * signs).T.contiguous()
