"""What a training method is: its settings, and the objective that it minimises."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor, nn

import cbir.methods
from cbir.augment import Augmentation
from cbir.batches import Batch, Batches, SpreadBatches, split_images
from cbir.devices import Precision
from cbir.encoder import Encoder
from cbir.errors import UserError
from cbir.reduced import ReducedImages

PREDICTIONS = pa.schema(
    [("image_id", pa.string()), ("split", pa.string()), ("label", pa.string()), ("predicted", pa.string())]
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; the names are those of the section ``train`` of params.yaml.

    Raises:
        UserError: a value out of its range.
    """

    captions: Literal["english", "original"] = "english"
    tune: Literal["full", "last_blocks", "heads", "lora"] = "full"
    image_blocks: int = 2
    text_blocks: int = 2
    head_width: int = 512
    head_dropout: float = 0.2
    lora_rank: int = 8
    lora_alpha: int = 32
    lora_dropout: float = 0.1
    contrast: Literal["clip", "siglip"] = "clip"
    augmentation: Augmentation = "press"
    clean_views: float = 0.0
    class_balance: Literal["none", "loss", "batches"] = "none"
    projection: int = 128
    temperature: float = 0.1
    koleo: float = 0.0
    freeze_batch_norm: bool = False
    epochs: int = 30
    patience: int = 10
    batch_size: int = 64
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    restarts: list[int] = field(default_factory=list)
    learning_rate: float = 1e-3
    head_learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip_norm: float = 0.0
    precision: Precision = "auto"
    workers: int = 1
    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = "auto"
    seed: int = 0

    @property
    def ranks(self) -> int:
        """Processes that train together; each takes its part of every batch."""
        return self.devices * self.nodes

    def __post_init__(self) -> None:
        for name, smallest in _LEAST.items():
            if not getattr(self, name) >= smallest:
                raise UserError(f"train.{name} must be at least {smallest}, is {getattr(self, name)}")
        for name in ("clean_views", "lora_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"train.{name} must be at least 0 and below 1, is {getattr(self, name)}")
        for name in ("temperature", "learning_rate", "head_learning_rate"):
            if not getattr(self, name) > 0:
                raise UserError(f"train.{name} must be above 0, is {getattr(self, name)}")
        if self.batch_size < 2 * self.ranks:
            raise UserError(
                f"train.batch_size must be at least 2 for each of {self.ranks} processes, is {self.batch_size}; raise "
                "it, or lower train.devices"
            )
        if not all(one < other for one, other in pairwise([0, *self.restarts, self.epochs])):
            raise UserError(
                f"train.restarts must be rising epochs between 0 and train.epochs ({self.epochs}), is {self.restarts}"
            )


_LEAST = {"projection": 1, "koleo": 0, "epochs": 1, "patience": 1, "batch_size": 2, "weight_decay": 0, "clip_norm": 0}
_LEAST |= {
    "image_blocks": 0,
    "text_blocks": 0,
    "head_width": 1,
    "lora_rank": 1,
    "lora_alpha": 1,
    "workers": 0,
    "devices": 1,
    "nodes": 1,
    "seed": 0,
}


class Objective(nn.Module, ABC):
    """What a method minimises; its own parameters (a projection head, say) are trained beside the encoder's."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings

    def select(self, images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The images to train on and those to validate on.

        Raises:
            UserError: there are too few.
        """
        return split_images(images, seed=self.settings.seed)

    def batches(self, images: pd.DataFrame, *, validates: bool) -> Batches:
        """Which of the selected images make which batch."""
        size, seed = self.settings.batch_size, self.settings.seed
        return SpreadBatches.of(images, batch_size=size, seed=seed, validates=validates, ranks=self.settings.ranks)

    def describe(self, images: pd.DataFrame) -> Batch:
        """What a batch carries of each image beside its pixels: tensors (n, …) by name, a row an image."""
        return {}

    @abstractmethod
    def loss(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """A scalar.

        Args:
            batch: ``images``, (B, C, S, S) float in 0..1, and what :meth:`describe` gives of them.
            generator: the only source of chance beside dropout.
        """

    def predictions(self, encoder: Encoder, images: pd.DataFrame, reduced: ReducedImages) -> pa.Table:
        """What the trained method says of images of val and test, with the columns of :data:`PREDICTIONS`."""
        return PREDICTIONS.empty_table()

    def finish(self, encoder: Encoder) -> None:
        """Leave nothing in the trained encoder that only training needed."""


def build_objective(method: str, encoder: Encoder, images: pd.DataFrame, settings: Settings) -> Objective | None:
    """The objective of the method of that name in ``cbir/methods``; None when there is nothing to train.

    Args:
        encoder: is prepared for what the method trains of it.
        images: that there are, as in data/training.parquet.

    Raises:
        UserError: there is no such method, it cannot learn from these images, or the backbone has nothing to train.
    """
    known = sorted(module.name for module in pkgutil.iter_modules(cbir.methods.__path__))
    if method not in known:
        raise UserError(f"train.method must be one of {', '.join(known)}, is {method!r}")
    if settings.tune != "full" and method != "clip":
        raise UserError(
            f"train.tune {settings.tune} is for train.method clip alone, is set with {method}; set train.tune: full"
        )
    module = importlib.import_module(f"cbir.methods.{method}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        objective = module.objective(encoder, images, settings)
    if objective is not None and next(encoder.backbone.parameters(), None) is None:
        raise UserError(f"backbone {encoder.config.backbone} has nothing to train; set train.method: none")
    return objective
