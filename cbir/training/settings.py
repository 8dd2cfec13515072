"""Settings of a training, as the section ``train`` of params.yaml holds them."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from cbir.encoders.devices import Precision
from cbir.errors import UserError
from cbir.training.views import Augmentation


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
