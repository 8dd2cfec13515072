import pytest
import torch
from torch.nn import functional

from cbir.training.retrieval import map_of_copies


def _by_hand(copies: torch.Tensor, originals: torch.Tensor) -> float:
    """1 / rank of each copy's original, by a loop."""
    gallery = functional.normalize(originals)
    centre = gallery.mean(dim=0)
    total = 0.0
    for row, copy in enumerate(functional.normalize(copies)):
        cosine = [float(functional.cosine_similarity(copy - centre, other - centre, dim=0)) for other in gallery]
        rank = 1 + sum(other > cosine[row] for other in cosine)
        total += 1 / rank if rank <= 10 else 0
    return total / len(copies)


def test_it_is_the_mean_of_one_over_the_rank_of_the_original() -> None:
    originals = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    copies = originals + 1.5 * torch.randn(60, 8, generator=torch.Generator().manual_seed(1))
    expected = _by_hand(copies, originals)
    assert 0.1 < expected < 0.9
    assert map_of_copies(copies, originals) == pytest.approx(expected, abs=1e-6)


def test_perfect_copies_are_all_found() -> None:
    originals = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    assert map_of_copies(3 * originals, originals) == 1.0


def test_beyond_the_tenth_rank_nothing_counts() -> None:
    originals = torch.eye(40)
    copies = -originals  # each original is the farthest of all
    assert map_of_copies(copies, originals) == 0.0
