"""Measures how well copies of images retrieve their originals, to choose the epoch that a training keeps."""

import torch
from torch import Tensor
from torch.nn import functional

DEPTH = 10  # ranks that count


def map_of_copies(copies: Tensor, originals: Tensor) -> float:
    """Returns the mean average precision at 10 of each copy's original among all originals: 1 / rank, 0 beyond 10.

    Args:
        copies: features (n, d); row i is of a copy of row i of ``originals``.
        originals: features (n, d); their mean is taken from both, as whitening does.
    """
    originals, copies = functional.normalize(originals.float()), functional.normalize(copies.float())
    centre = originals.mean(dim=0)
    cosine = functional.normalize(copies - centre) @ functional.normalize(originals - centre).T
    ranks = 1 + (cosine > cosine.diagonal()[:, None]).sum(dim=1)
    return float(torch.where(ranks <= DEPTH, 1 / ranks, 0.0).mean())
