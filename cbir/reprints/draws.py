"""Random draws for a batch: an independent value for each image, from one generator."""

import torch
from torch import Tensor

Range = tuple[float, float]  # the least and the largest value


class Draws:
    """Draws a value for each of ``count`` images, on ``device``; the generator may live on another device."""

    def __init__(self, count: int, *, generator: torch.Generator, device: torch.device) -> None:
        self.count, self.generator, self.device = count, generator, device

    def uniform(self, *shape: int) -> Tensor:
        """Draws values (count, *shape) evenly in 0..1."""
        return torch.rand(self.count, *shape, generator=self.generator, device=self.generator.device).to(self.device)

    def between(self, bounds: Range) -> Tensor:
        """Draws values (count,) evenly within the bounds."""
        return bounds[0] + (bounds[1] - bounds[0]) * self.uniform()

    def ratio(self, bounds: Range) -> Tensor:
        """Draws values (count,) evenly on a logarithmic scale within the bounds, which are positive."""
        return bounds[0] * (bounds[1] / bounds[0]) ** self.uniform()

    def chance(self, probability: float) -> Tensor:
        """Draws (count,) bool, true with this probability."""
        return self.uniform() < probability

    def choice(self, options: list[int]) -> Tensor:
        """Draws (count,) int64 from the options."""
        at = (self.uniform() * len(options)).long().clamp_(max=len(options) - 1)
        return torch.tensor(options, device=self.device)[at]
