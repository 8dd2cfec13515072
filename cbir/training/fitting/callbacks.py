"""Callbacks of a training for Lightning: its record, the pace of its learning rate, and its progress bar."""

import logging
import math
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from cbir.base.display import Progress
from cbir.base.errors import UserError
from cbir.training.optimisers import part_of_rate, set_rates, start_afresh
from cbir.training.settings import Settings

_log = logging.getLogger(__name__)


MEASURES = {"loss": "val_loss", "retrieval": "val_missed"}  # what the best epoch has least of, by train.keep


class Record(pl.Callback):
    """Keeps the history and the best weights so far; both are part of the checkpoint."""

    def __init__(self, patience: int, *, measure: str = MEASURES["loss"]) -> None:
        self.patience = patience
        self.measure = measure
        self.least = math.inf
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.rate = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        losses = {split: float(trainer.callback_metrics[f"{split}_loss"]) for split in ("train", "val")}
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise UserError(
                f"the loss is no number any more in epoch {epoch}; lower train.learning_rate, now {self.rate:g}"
            )
        measured = float(trainer.callback_metrics[self.measure])
        if measured < self.least:
            self.least = measured
            state = pl_module.state_dict()
            self.best = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
            self.best_epoch = epoch
        for split, loss in losses.items():
            self.rows.append({"epoch": epoch, "split": split, "loss": loss, "learning_rate": self.rate})
        _log.info("epoch %d: training loss %.4f, %s %.4f", epoch, losses["train"], self.measure, measured)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "best": self.best, "best_epoch": self.best_epoch, "least": self.least}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.best = state_dict["rows"], state_dict["best"]
        self.best_epoch, self.least = state_dict["best_epoch"], state_dict["least"]

    @property
    def losses(self) -> list[float]:
        """Validation losses, one an epoch."""
        return [row["loss"] for row in self.rows if row["split"] == "val"]

    @property
    def stopped(self) -> bool:
        """Whether the measure has not become better for ``patience`` epochs."""
        return self.epochs - self.best_epoch >= self.patience

    @property
    def epochs(self) -> int:
        """Number of epochs that were run."""
        return self.rows[-1]["epoch"] if self.rows else 0


class Pace(pl.Callback):
    """Sets the learning rate of each step, and starts the optimiser afresh where the settings say so."""

    def __init__(self, record: Record, settings: Settings, *, steps: int) -> None:
        self.record, self.settings, self.steps = record, settings, steps

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch in self.settings.restarts:
            start_afresh(trainer.optimizers[0])

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.current_epoch * self.steps + batch_idx
        part = part_of_rate(self.settings, step=step, steps=self.steps, losses=self.record.losses)
        set_rates(trainer.optimizers[0], part)


class Bar(pl.Callback):
    """Moves the caller's progress bar on, a step a batch."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self.steps = iter(progress(range(steps), total=steps, desc="train", unit="step"))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for _ in range(trainer.global_step + 1):
            next(self.steps, None)

    def on_train_batch_end(self, *_: Any) -> None:
        next(self.steps, None)
