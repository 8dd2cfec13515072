"""Fits an encoder by Lightning: the steps, the seeds of each, and checkpoints to resume from.

No other module of a training imports Lightning, which takes longer to load than a small training: a stage that trains
nothing never loads it.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.optim import Optimizer

from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.base.files import writing
from cbir.encoders.devices import choose_device, choose_precision
from cbir.encoders.encoder import Encoder, to_images
from cbir.training.batches import Batch
from cbir.training.checkpoints import NAME, checkpoint_path, read_checkpoint
from cbir.training.fitting.callbacks import MEASURES, Bar, Pace, Record
from cbir.training.objective import Objective
from cbir.training.optimisers import build_optimizer
from cbir.training.ranks import HelperDone, is_helper, part, place
from cbir.training.retrieval import map_of_copies
from cbir.training.settings import Settings

_log = logging.getLogger(__name__)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes Lightning's checkpoints so that a kill leaves the one before whole, and a full disk is an error.

    Lightning's own way is by a temporary file that may lie on another file system, where taking its place is a copy
    (https://github.com/Lightning-AI/pytorch-lightning/issues/19970), and passes over some failures
    (https://github.com/Lightning-AI/pytorch-lightning/issues/21800).
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Puts a checkpoint in the place of the one before."""
        with writing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


class _Task(pl.LightningModule):
    """The module that Lightning trains: the encoder's body and the objective's head, each with its learning rate."""

    def __init__(self, encoder: Encoder, objective: Objective, settings: Settings) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        self.settings = settings
        self.copies: list[tuple[Tensor, Tensor]] = []  # features of validation images and of their copies

    def train(self, mode: bool = True) -> "_Task":
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                frozen = module.affine and not module.weight.requires_grad
                if frozen or self.settings.freeze_batch_norm:
                    module.eval()
        return self

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(_derive(self.settings.seed, self.current_epoch, *_helper()))  # for dropout

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = self._loss(batch, 0, self.current_epoch, index)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["images"]), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        # The same views each epoch, so that losses of different epochs compare.
        loss = self._loss(batch, 1, 0, index)
        self.log("val_loss", loss, on_epoch=True, batch_size=len(batch["images"]), sync_dist=True)
        if self.settings.keep == "retrieval":
            generator, batch = self._prepare(batch, 2, 0, index)
            self.copies.append(self.objective.copies(self.encoder, batch, generator=generator))

    def on_validation_epoch_end(self) -> None:
        if self.copies:
            originals, copies = (torch.cat(features) for features in zip(*self.copies, strict=True))
            self.log("val_missed", 1 - map_of_copies(copies, originals), sync_dist=True)
            self.copies.clear()

    def _loss(self, batch: Batch, *place: int) -> Tensor:
        generator, batch = self._prepare(batch, *place)
        return self.objective.loss(self.encoder, batch, generator=generator)

    def _prepare(self, batch: Batch, *place: int) -> tuple[torch.Generator, Batch]:
        generator = torch.Generator().manual_seed(_derive(self.settings.seed, *place, *_helper()))
        return generator, batch | {"images": to_images(batch["images"])}

    def configure_optimizers(self) -> Optimizer:
        return build_optimizer(self.encoder, self.objective, self.settings)


def fit(
    encoder: Encoder,
    objective: Objective,
    loaders: Sequence[Any],
    *,
    settings: Settings,
    checkpoints: Path,
    progress: Progress = silent,
) -> Record:
    """Fits an encoder and the head of its objective in place; both end with the weights of the best epoch.

    Args:
        loaders: of the batches of training and of validation.
        checkpoints: folder of this training alone, from which it goes on.

    Returns:
        The epochs that were run, and their losses.

    Raises:
        UserError: fewer devices than are asked for, or a loss that is not a number.
        KeyboardInterrupt: the user stopped it.
        HelperDone: this process helped another one, which has the result.
    """
    task, record = _Task(encoder, objective, settings), Record(settings.patience, measure=MEASURES[settings.keep])
    _fit(task, loaders, record, settings, checkpoints, progress)
    task.load_state_dict(record.best)
    return record


def _fit(
    task: _Task, loaders: Sequence[Any], record: Record, settings: Settings, checkpoints: Path, progress: Progress
) -> None:
    if state := read_checkpoint(checkpoints):
        record.load_state_dict(state["callbacks"][record.state_key])
        _log.info("going on after epoch %d of a training that was stopped", record.epochs)
    if record.epochs == settings.epochs or record.stopped:
        return
    device = choose_device()
    _require_devices(device, settings)
    half = choose_precision(settings.precision, device) == torch.bfloat16
    with _quiet(), _unfilled():
        trainer = pl.Trainer(
            accelerator=device.type,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy=settings.strategy,
            precision="bf16-mixed" if half else "32-true",
            max_epochs=settings.epochs,
            gradient_clip_val=settings.clip_norm or None,
            deterministic="warn",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            use_distributed_sampler=False,
            default_root_dir=checkpoints,
            plugins=[AtomicCheckpoints(), LightningEnvironment()],
            callbacks=[
                record,
                Pace(record, settings, steps=len(loaders[0])),
                Bar(silent if is_helper() else progress, len(loaders[0]) * settings.epochs),
                EarlyStopping(record.measure, patience=settings.patience, check_on_train_epoch_end=True),
                ModelCheckpoint(checkpoints, NAME, save_on_train_epoch_end=True, enable_version_counter=False),
            ],
        )
        task.train()  # Lightning leaves each module in the mode that it finds
        try:
            path = checkpoint_path(checkpoints) if state else None
            trainer.fit(task, loaders[0], loaders[1], ckpt_path=path, weights_only=True)
        except SystemExit as error:  # Ctrl-C becomes it: https://github.com/Lightning-AI/pytorch-lightning/issues/11924
            raise KeyboardInterrupt from error
    rank = place()[0]
    part()
    if rank:
        raise HelperDone(0)


def _require_devices(device: torch.device, settings: Settings) -> None:
    if device.type != "cpu" and settings.devices > torch.accelerator.device_count():
        raise UserError(
            f"train.devices is {settings.devices}, and this machine has {torch.accelerator.device_count()}; lower it"
        )


def _helper() -> list[int]:
    """Returns the rank of a process that helps another one to train, for the seeds of its own views; empty in the first
    one.
    """
    rank, _ = place()
    return [rank] if rank else []


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Lightning's advice, which is not for the user of this program."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
        try:
            yield
        finally:
            logger.setLevel(level)


@contextmanager
def _unfilled() -> Iterator[None]:
    """Leaves fresh memory unfilled in deterministic algorithms; filling it with NaN shows defects, and costs a quarter
    of the time.
    """
    options: Any = torch.utils.deterministic
    before = options.fill_uninitialized_memory
    options.fill_uninitialized_memory = False
    try:
        yield
    finally:
        options.fill_uninitialized_memory = before


def _derive(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
