"""Layers around a backbone: pooling, whitening, and the head on a frozen tower."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cbir.base.errors import UserError

Pooling = Literal["gem", "avg", "native"]


class GeM(nn.Module):
    """Generalised mean pooling: the mean of the p-th powers, to the power 1/p, for each channel by itself.

    p = 1 is the average, p to infinity the maximum; p is learned with the network, from 3.
    Source: Radenović, Tolias and Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019.
    """

    def __init__(self, *, p: float = 3.0, floor: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.floor = floor  # a negative activation has no real power

    def forward(self, features: Tensor) -> Tensor:
        """Pools (B, d, h, w) to (B, d), both float32."""
        return features.clamp(min=self.floor).pow(self.p).mean(dim=(-2, -1)).pow(1 / self.p)


class Average(nn.Module):
    """Pools by the mean over all places."""

    def forward(self, features: Tensor) -> Tensor:
        """Pools (B, d, h, w) to (B, d)."""
        return features.mean(dim=(-2, -1))


def build_pooling(pooling: Pooling) -> nn.Module:
    """Returns the pooling of a name; ``native`` leaves what the model itself pooled as it is.

    Raises:
        UserError: there is no such pooling.
    """
    kinds: dict[str, type[nn.Module]] = {"gem": GeM, "avg": Average, "native": nn.Identity}
    if pooling not in kinds:
        raise UserError(f"pooling must be one of {', '.join(kinds)}, is {pooling!r}")
    return kinds[pooling]()


WhiteningKind = Literal["none", "centre", "pca"]

SMALLEST_VARIANCE = 1e-4  # of the largest; a direction with less holds rounding errors, which whitening would blow up


class Whitening(nn.Module):
    """Centres L2-normalised vectors (B, d) and, for ``pca``, whitens them to (B, e); the caller normalises again."""

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
    """Returns the whitening of L2-normalised ``vectors`` (n, d), float32; an identity for ``none``.

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
    """Returns the module that a saved state is loaded into: from ``pooled`` to ``dimension`` components."""
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


@dataclass(frozen=True)
class Head:
    """The size of a head; the names are those of the section ``train`` of params.yaml, after ``head_``.

    Args:
        width: of the hidden layer and of what comes out.
        dropout: part of the hidden layer that is left out in training.
    """

    width: int
    dropout: float


def build_head(head: Head, *, pooled: int) -> nn.Sequential:
    """Builds linear, ReLU, dropout and linear layers from ``pooled`` to ``head.width`` components."""
    hidden = nn.Linear(pooled, head.width)
    return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(head.dropout), nn.Linear(head.width, head.width))
