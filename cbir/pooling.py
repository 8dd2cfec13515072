"""How the backbone's feature map becomes one vector."""

from typing import Literal

import torch
from torch import Tensor, nn

from cbir.errors import UserError

Pooling = Literal["gem", "avg", "native"]


class GeM(nn.Module):
    """Generalised mean: the mean of the p-th powers, to the power 1/p, each channel for itself.

    p = 1 is the average, p to infinity the maximum; p is learned with the network, from 3.
    Source: Radenović, Tolias and Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019.
    """

    def __init__(self, *, p: float = 3.0, floor: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.floor = floor  # a negative activation has no real power

    def forward(self, features: Tensor) -> Tensor:
        """(B, d, h, w) to (B, d), both float32."""
        return features.clamp(min=self.floor).pow(self.p).mean(dim=(-2, -1)).pow(1 / self.p)


class Average(nn.Module):
    """The mean over all places."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, d, h, w) to (B, d)."""
        return features.mean(dim=(-2, -1))


def build_pooling(pooling: Pooling) -> nn.Module:
    """The pooling of a name; ``native`` leaves what the model itself pooled as it is.

    Raises:
        UserError: there is no such pooling.
    """
    kinds: dict[str, type[nn.Module]] = {"gem": GeM, "avg": Average, "native": nn.Identity}
    if pooling not in kinds:
        raise UserError(f"pooling must be one of {', '.join(kinds)}, is {pooling!r}")
    return kinds[pooling]()
