"""Chance for a batch: one independent value for each image, from one generator."""

import torch
from torch import Tensor

Range = tuple[float, float]  # the least and the largest value


class Draws:
    """Each method gives one value for each of ``count`` images, on ``device``; the generator may live on another."""

    def __init__(self, count: int, *, generator: torch.Generator, device: torch.device) -> None:
        self.count, self.generator, self.device = count, generator, device

    def uniform(self, *shape: int) -> Tensor:
        """(count, *shape) in 0..1."""
        return torch.rand(self.count, *shape, generator=self.generator, device=self.generator.device).to(self.device)

    def between(self, bounds: Range) -> Tensor:
        """(count,), evenly within the bounds."""
        return bounds[0] + (bounds[1] - bounds[0]) * self.uniform()

    def ratio(self, bounds: Range) -> Tensor:
        """(count,), evenly on a logarithmic scale within the bounds, which are positive."""
        return bounds[0] * (bounds[1] / bounds[0]) ** self.uniform()

    def chance(self, probability: float) -> Tensor:
        """(count,) bool."""
        return self.uniform() < probability

    def choice(self, options: list[int]) -> Tensor:
        """(count,) int64, one of the options."""
        at = (self.uniform() * len(options)).long().clamp_(max=len(options) - 1)
        return torch.tensor(options, device=self.device)[at]
