"""Checks the settings of a training against each other, without loading a network."""

import pkgutil
from collections.abc import Sequence
from itertools import pairwise

import cbir.training.methods
from cbir.base.errors import UserError


def require_method(method: str, *, tune: str, keep: str, augmentation: str) -> None:
    """Checks what a method takes of the settings of a training.

    Raises:
        UserError: there is no such method, or a value is for another one.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(cbir.training.methods.__path__))
    if method not in known:
        raise UserError(f"train.method must be one of {', '.join(known)}, is {method!r}")
    if tune != "full" and method != "clip":
        raise UserError(f"train.tune {tune} is for train.method clip alone, is set with {method}; set train.tune: full")
    if keep == "retrieval" and method not in ("simclr", "none"):
        raise UserError(
            f"train.keep retrieval is for train.method simclr alone, is set with {method}; set train.keep: loss"
        )
    if method == "simclr" and augmentation == "none":
        raise UserError(
            "train.augmentation is none, but train.method simclr compares two different views of an image; "
            "set press, simclr, mild or crops"
        )


def require_batches(batch_size: int, *, ranks: int) -> None:
    """Raises UserError for batches that give each of ``ranks`` processes fewer than two images."""
    if batch_size < 2 * ranks:
        raise UserError(
            f"train.batch_size must be at least 2 for each of {ranks} processes, is {batch_size}; raise it, or lower "
            "train.devices"
        )


def require_restarts(restarts: Sequence[int], *, epochs: int) -> None:
    """Raises UserError for restarts that are no rising epochs of a training of ``epochs``."""
    if not all(earlier < later for earlier, later in pairwise([0, *restarts, epochs])):
        raise UserError(
            f"train.restarts must be rising epochs between 0 and train.epochs ({epochs}), is {list(restarts)}"
        )
