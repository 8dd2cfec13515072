"""The interface of a training method: the objective that it minimises."""

import importlib
from abc import ABC, abstractmethod

import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor, nn

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder
from cbir.images.reduced import ReducedImages
from cbir.training.batches import Batch, Batches, SpreadBatches, split_images
from cbir.training.rules.method import require_method
from cbir.training.settings import Settings

PREDICTIONS = pa.schema(
    [("image_id", pa.string()), ("split", pa.string()), ("label", pa.string()), ("predicted", pa.string())]
)


class Objective(nn.Module, ABC):
    """Holds the loss that a method minimises; its own parameters (a projection head, say) are trained beside the
    encoder's.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings

    def select(self, images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Returns the images to train on and those to validate on.

        Raises:
            UserError: there are too few.
        """
        return split_images(images, seed=self.settings.seed)

    def batches(self, images: pd.DataFrame, *, validates: bool) -> Batches:
        """Deals the selected images into batches."""
        size, seed = self.settings.batch_size, self.settings.seed
        return SpreadBatches.of(images, batch_size=size, seed=seed, validates=validates, ranks=self.settings.ranks)

    def describe(self, images: pd.DataFrame) -> Batch:
        """Returns what a batch carries of each image beside its pixels: tensors (n, …) by name, a row an image."""
        return {}

    @abstractmethod
    def loss(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """Returns a scalar.

        Args:
            batch: ``images``, (B, C, S, S) float in 0..1, and what :meth:`describe` gives of them.
            generator: the only source of chance beside dropout.
        """

    def copies(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns the features (B, d) of a batch's images and of a copy of each, for retrieval of the one by the other.

        A method that compares no views of images has none.
        """
        raise NotImplementedError

    def predictions(self, encoder: Encoder, images: pd.DataFrame, reduced: ReducedImages) -> pa.Table:
        """Predicts the scenes of images of val and test, with the columns of :data:`PREDICTIONS`."""
        return PREDICTIONS.empty_table()

    def finish(self, encoder: Encoder) -> None:
        """Leaves nothing in the trained encoder that only training needed."""


def build_objective(method: str, encoder: Encoder, images: pd.DataFrame, settings: Settings) -> Objective | None:
    """Returns the objective of the method of that name in ``cbir/training/methods``; None when there is nothing to
    train.

    Args:
        encoder: is prepared for what the method trains of it.
        images: that there are, as in data/training.parquet.

    Raises:
        UserError: there is no such method, it cannot learn from these images, or the backbone has nothing to train.
    """
    require_method(method, tune=settings.tune, keep=settings.keep, augmentation=settings.augmentation)
    module = importlib.import_module(f"cbir.training.methods.{method}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        objective = module.objective(encoder, images, settings)
    if objective is not None and next(encoder.backbone.parameters(), None) is None:
        raise UserError(f"backbone {encoder.config.backbone} has nothing to train; set train.method: none")
    return objective
