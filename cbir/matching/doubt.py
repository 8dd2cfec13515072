"""Chooses the pairs that deserve a closer look, which takes long: those of which geometry says too little."""

import numpy as np
from numpy.typing import NDArray

from cbir.matching.evidence import is_clear, mapped
from cbir.matching.probability import LIKELY


def in_doubt(
    probability: NDArray[np.float64], evidence: NDArray[np.void], ranks: NDArray[np.int64], *, nearest: int
) -> NDArray[np.int64]:
    """Returns the rows of pairs that are not likely, though near by embedding or with weak evidence for them.

    Clear geometry leaves no doubt: where it does not make a pair likely, it shows another shot of the scene.

    Args:
        probability: (m,) by the evidence.
        evidence: (m,) EVIDENCE.
        ranks: (m, 2), of either image in the other's list of neighbours.
        nearest: the last rank, in either list, of a near pair.
    """
    promising = mapped(evidence) | (ranks.min(axis=1) <= nearest)
    return np.flatnonzero((probability < LIKELY) & promising & ~is_clear(evidence))
