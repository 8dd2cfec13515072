"""The images that a network is trained on: their selection, their batches, and the worker processes that read them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from cbir.base.errors import UserError
from cbir.encoders.preprocess import Preprocessing
from cbir.images.reduced import ReducedImages
from cbir.training.ranks import own_part

FEWEST = 12  # photographs to learn from, some of which validate; fewer leave nothing to tell apart
FEWEST_OF_VAL = 16  # images of split val that suffice to validate
HELD_BACK = 0.1  # part of the others that validates where there are fewer
FEWEST_VALIDATING = 4


Batch = dict[str, Tensor]  # images, (B, …), and what else is known of each, (B, …) by name


class Squares(Dataset[Tensor]):
    """Reads preprocessed images, uint8 (S, S, C), from the store of reduced images."""

    def __init__(self, images: pd.DataFrame, reduced: ReducedImages, preprocess: Preprocessing) -> None:
        self._images = list(zip(images["image_id"], images["path"], images["page"].astype(int), strict=True))
        self._reduced = reduced
        self._preprocess = preprocess

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: int) -> Tensor:
        return torch.tensor(self._preprocess(self._reduced.read(*self._images[row])))  # a copy: some are read-only


class Samples(Dataset[Batch]):
    """Preprocessed images, each with what is known of it."""

    def __init__(self, squares: Squares, known: Mapping[str, Tensor]) -> None:
        self._squares = squares
        self._known = known

    def __len__(self) -> int:
        return len(self._squares)

    def __getitem__(self, row: int) -> Batch:
        return {"images": self._squares[row], **{name: values[row] for name, values in self._known.items()}}


class Batches(Sampler[list[int]], ABC):
    """Deals rows of images into ``count`` batches of even size; the order follows from (seed, epoch) alone.

    If several processes train together, each gets its part of every batch.
    """

    def __init__(self, *, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._epoch = 0

    @abstractmethod
    def _order(self, chance: np.random.Generator) -> np.ndarray:
        """Returns the rows of an epoch, (n,); those that follow each other go into different batches."""

    def __len__(self) -> int:
        return self._count

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch that the order is drawn for; the trainer calls it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        rows = self._order(np.random.default_rng([self._seed, self._epoch]))
        for batch in range(self._count):
            yield list(own_part(rows[batch :: self._count].tolist()))


class SpreadBatches(Batches):
    """Deals all images once an epoch into batches of even size, group-mates into different batches as far as there are
    batches.

    A contrastive loss would push two images of one group apart when they meet in a batch.
    """

    def __init__(self, groups: Sequence[str], *, batch_size: int, seed: int, least: int = 1) -> None:
        super().__init__(count=max(ceil(len(groups) / batch_size), least), seed=seed)
        self._groups = pd.factorize(np.asarray(groups, dtype=object))[0]

    @classmethod
    def of(
        cls, images: pd.DataFrame, *, batch_size: int, seed: int, validates: bool, ranks: int = 1
    ) -> "SpreadBatches":
        """Makes batches of images by their group; those that validate have 4 images or more, few enough that no mates
        meet.

        Args:
            ranks: processes that share a batch; when it validates, each has 4 or more, as far as there are as many.
        """
        groups = group_names(images)
        most = int(pd.Series(groups).value_counts().max())
        least = min(most, max(1, len(images) // (4 * ranks))) if validates else 1
        return cls(groups, batch_size=batch_size, seed=seed, least=least)

    def _order(self, chance: np.random.Generator) -> np.ndarray:
        order = chance.permutation(len(self._groups))
        of_group = chance.permutation(self._groups.max() + 1)
        return order[np.argsort(of_group[self._groups[order]], kind="stable")]


class BalancedBatches(Batches):
    """Draws as many images an epoch as there are, so that each label comes equally often; rare ones come repeatedly."""

    def __init__(self, labels: Sequence[int], *, batch_size: int, seed: int) -> None:
        super().__init__(count=ceil(len(labels) / batch_size), seed=seed)
        counts = np.bincount(labels)
        self._chances = 1 / counts[np.asarray(labels)] / np.count_nonzero(counts)

    def _order(self, chance: np.random.Generator) -> np.ndarray:
        return chance.choice(len(self._chances), size=len(self._chances), p=self._chances)


def split_images(images: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the images to train on and those to validate on.

    Images of split train and unlabelled ones train, those of split val validate. If fewer than 16 do, a tenth of
    those that train, chosen by a seeded hash, whole groups, validates instead of training. Images of split test do
    neither.

    Raises:
        UserError: there are too few.
    """
    trains, validates = trainable(images), images["split"] == "val"
    names = pd.Series(group_names(images), index=images.index)
    photographs = names[trains].nunique()
    if photographs < FEWEST:
        raise UserError(
            f"train.method needs at least {FEWEST} different photographs that are unlabelled or of split train, "
            f"there are {photographs}; add images, or set train.method: none"
        )
    if validates.sum() < FEWEST_OF_VAL:
        chance = names.map(lambda name: _chance(name, seed))
        lowest = chance[trains].sort_values().iloc[FEWEST_VALIDATING - 1]
        held_back = trains & (chance <= max(HELD_BACK, lowest))
        trains, validates = trains & ~held_back, validates | held_back
    return images[trains], images[validates]


def hold_back(
    training: pd.DataFrame, validation: pd.DataFrame, *, groups: pd.Series, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits off validation images for a method that knows the groups; returns the training and the validation images.

    If fewer than 16 validate, a tenth of those that train, chosen by a seeded hash, validates instead of training;
    one image of each group trains whatever its hash.

    Args:
        groups: of the training images.

    Raises:
        UserError: there are too few.
    """
    if len(validation) >= FEWEST_OF_VAL:
        return training, validation
    chance = training["image_id"].map(lambda name: _chance(name, seed))
    spare = chance < chance.groupby(groups).transform("max")
    if len(training) < FEWEST or spare.sum() < FEWEST_VALIDATING:
        raise UserError(
            f"train.method needs at least {FEWEST} training images and {FEWEST_VALIDATING} that are not the only one "
            f"of their group, there are {len(training)} and {spare.sum()}; add images or ground truth, or set "
            "train.method: none"
        )
    lowest = chance[spare].sort_values().iloc[FEWEST_VALIDATING - 1]
    held_back = spare & (chance <= max(HELD_BACK, lowest))
    return training[~held_back], pd.concat([validation, training[held_back]])


def trainable(images: pd.DataFrame) -> pd.Series:
    """Tells which images a network may learn from, those of split train and the unlabelled ones; (n,) bool."""
    return images["split"].isna() | (images["split"] == "train")


def group_names(images: pd.DataFrame) -> list[str]:
    """Returns the group of each image; one without is a group of its own."""
    return images["group_id"].fillna(images["image_id"]).tolist()


def load_batches(images: Squares | Samples, batches: Iterable[list[int]], *, workers: int) -> DataLoader[Any]:
    """Batches of images, uint8 (B, S, S, C), read ahead by ``workers`` processes; 0: read when they are needed."""
    return DataLoader(
        images,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
    )


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # the workers are what runs side by side


def _chance(name: str, seed: int) -> float:
    """Returns a number in 0..1 that depends on the name and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
