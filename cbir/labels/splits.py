"""Deals groups out to train, val and test, so that what was dealt stays where it is as the archive grows."""

import hashlib
from typing import Literal

from cbir.base.errors import UserError

SPLITS = ("train", "val", "test")
SplitBy = Literal["group", "image"]


def check_fractions(*, train: float, val: float) -> None:
    """Checks the shares of train and val; what they leave is the test split.

    Raises:
        UserError: a fraction is negative, or both are more than the whole.
    """
    for name, value in (("train", train), ("val", val)):
        if not 0 <= value <= 1:
            raise UserError(f"groundtruth.{name} must be between 0 and 1, is {value}: it is a part of the groups")
    if train + val > 1 + 1e-9:
        raise UserError(
            f"groundtruth.train ({train}) and groundtruth.val ({val}) must be 1 at most together; test is the rest"
        )


def split_of(image_id: str, *, train: float, val: float, seed: int) -> str:
    """Chooses the split of a group, or of an image without one: ``train``, ``val`` or ``test``.

    A pure function of the id: neither the number of groups nor their order matters, so what arrives later
    moves nothing. The share of each split is therefore as asked on average only.

    Args:
        image_id: of an image, or a group's id (the image_id of its first member by accession and path).
    """
    digest = hashlib.sha256(f"{seed}:{image_id}".encode()).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    if position < train:
        return "train"
    return "val" if position < train + val else "test"
