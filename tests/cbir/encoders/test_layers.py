"""cbir.encoders.layers: pooling, centred and white embeddings, and the head on a frozen tower."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cbir.base.errors import UserError
from cbir.encoders.layers import Average, GeM, Head, build_head, build_pooling, learn_whitening


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


def vectors(count: int, dimension: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(count, dimension, generator=generator) @ torch.randn(dimension, dimension, generator=generator)
    return functional.normalize(mixed + 3)


def test_none_changes_nothing() -> None:
    given = vectors(5, 4)
    assert torch.equal(learn_whitening(given, "none")(given), given)


def test_centre_makes_the_mean_zero() -> None:
    given = vectors(50, 6)
    centred = learn_whitening(given, "centre")(given)
    assert centred.shape == given.shape
    assert torch.allclose(centred.mean(dim=0), torch.zeros(6), atol=1e-6)


def test_pca_makes_components_uncorrelated_and_of_equal_variance() -> None:
    given = vectors(400, 6)
    white = learn_whitening(given, "pca")(given)
    assert torch.allclose(white.T @ white / len(white), torch.eye(6), atol=1e-3)


def test_fewer_images_than_dimensions_give_fewer_components() -> None:
    given = vectors(5, 16)
    assert learn_whitening(given, "pca")(given).shape == (5, 4)


def test_the_same_vectors_give_the_same_numbers() -> None:
    first, other = (learn_whitening(vectors(40, 8), "pca").state_dict() for _ in range(2))
    assert all(torch.equal(first[name], other[name]) for name in ("mean", "projection"))


def test_what_cannot_be_whitened_is_refused() -> None:
    with pytest.raises(UserError, match="needs at least 2 training images, there are 1"):
        learn_whitening(vectors(1, 4), "pca")
    with pytest.raises(UserError, match="needs training images that differ"):
        learn_whitening(torch.ones(5, 4), "pca")
    with pytest.raises(UserError, match="whitening must be none, centre or pca, is 'zca'"):
        learn_whitening(vectors(5, 4), "zca")  # type: ignore[arg-type]


def test_a_head_is_linear_relu_dropout_linear() -> None:
    head = build_head(Head(width=12, dropout=0.2), pooled=5)
    assert [type(part) for part in head] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert head[2].p == 0.2
    assert head(torch.zeros(3, 5)).shape == (3, 12)
