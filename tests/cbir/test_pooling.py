"""cbir.pooling: feature maps to vectors."""

import pytest
import torch

from cbir.errors import UserError
from cbir.pooling import Average, GeM, build_pooling


def test_gem_is_the_generalised_mean_of_each_channel() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 2.0]]]])
    first = ((1 + 8 + 27 + 64) / 4) ** (1 / 3)
    second = (8 / 4) ** (1 / 3)
    assert torch.allclose(GeM()(features), torch.tensor([[first, second]]))


def test_gem_with_p_1_is_the_average_of_what_is_positive() -> None:
    features = torch.rand(2, 3, 4, 5) + 0.1
    assert torch.allclose(GeM(p=1.0)(features), Average()(features))


def test_gem_learns_its_exponent_and_bears_negative_activations() -> None:
    pooling = GeM()
    pooling(-torch.rand(2, 3, 4, 4)).sum().backward()
    assert pooling.p.grad is not None
    assert torch.isfinite(pooling.p.grad)


def test_native_leaves_what_the_model_pooled() -> None:
    pooled = torch.rand(2, 3)
    assert torch.equal(build_pooling("native")(pooled), pooled)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(UserError, match="pooling must be one of gem, avg, native, is 'max'"):
        build_pooling("max")  # type: ignore[arg-type]
