"""Bounds the share of right pairs among all, from a sample that a person has judged."""

from scipy.stats import beta

CONFIDENCE = 0.95


def lower_bound(judged: int, wrong: int, *, of: int) -> float:
    """Returns the share of right pairs that all of them have at least, with 95 % confidence.

    The exact binomial bound of Clopper and Pearson (Biometrika 26(4), 1934): the least share at which so few wrong ones
    would turn up in at least 5 of 100 samples. The share is known once all pairs are judged.

    Args:
        judged, wrong: number of judged pairs, and how many of them are wrong.
        of: number of all pairs.
    """
    right = judged - wrong
    if judged == of and of:
        return right / judged
    return float(beta.ppf(1 - CONFIDENCE, right, wrong + 1)) if right else 0.0


def fewest_judged(precision: float, *, wrong: int = 0) -> int:
    """Returns how many pairs have to be judged to promise a precision below 1 though so many turn out wrong.

    For 0.95: 59, 93, 124, 153 with 0, 1, 2, 3 wrong ones.
    """
    low, high = wrong, wrong + 1
    while beta.ppf(1 - CONFIDENCE, high - wrong, wrong + 1) < precision:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if beta.ppf(1 - CONFIDENCE, middle - wrong, wrong + 1) < precision:
            low = middle
        else:
            high = middle
    return high
