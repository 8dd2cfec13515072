"""cbir.whitening: centred and white embeddings."""

import pytest
import torch
from torch.nn import functional

from cbir.errors import UserError
from cbir.whitening import learn_whitening


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
    one, other = (learn_whitening(vectors(40, 8), "pca").state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in ("mean", "projection"))


def test_what_cannot_be_whitened_is_refused() -> None:
    with pytest.raises(UserError, match="needs at least 2 training images, there are 1"):
        learn_whitening(vectors(1, 4), "pca")
    with pytest.raises(UserError, match="needs training images that differ"):
        learn_whitening(torch.ones(5, 4), "pca")
    with pytest.raises(UserError, match="whitening must be none, centre or pca, is 'zca'"):
        learn_whitening(vectors(5, 4), "zca")  # type: ignore[arg-type]
