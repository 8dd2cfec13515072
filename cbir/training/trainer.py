"""One trainer for every method: optimiser, schedule, history, early stopping, and checkpoints to resume from."""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import BatchSampler

from cbir.archive.manifest import accessions_of
from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.base.files import write_parquet, writing_folder
from cbir.encoders.devices import choose_device, choose_precision
from cbir.encoders.encoder import Encoder, to_images, unwhiten, whiten
from cbir.encoders.layers import WhiteningKind
from cbir.images.reduced import ReducedImages
from cbir.training.batches import Batch, Samples, Squares, load_batches, trainable
from cbir.training.callbacks import MEASURES, Bar, Pace, Record
from cbir.training.checkpoints import NAME, AtomicCheckpoints, checkpoint_path, read_checkpoint
from cbir.training.objective import PREDICTIONS, Objective, build_objective
from cbir.training.optimisers import build_optimizer
from cbir.training.ranks import HelperDone, is_helper, part, place
from cbir.training.retrieval import map_of_copies
from cbir.training.settings import Settings

HISTORY = pa.schema(
    [("epoch", pa.int32()), ("split", pa.string()), ("loss", pa.float64()), ("learning_rate", pa.float64())]
)
MOST_FOR_WHITENING = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        history: the table of :data:`HISTORY`, a row a split and epoch (from 1).
        predictions: the table of :data:`cbir.training.objective.PREDICTIONS`, empty for a method that predicts nothing.
        epochs: number of epochs that were run.
        best_epoch: the epoch whose weights the encoder has; 0 when nothing was trained.
        images: number of images that it was trained on.
        validation_images: number of images that chose the best epoch.
    """

    history: pa.Table
    predictions: pa.Table
    epochs: int = 0
    best_epoch: int = 0
    images: int = 0
    validation_images: int = 0

    def facts(self, settings: Settings, whitening: WhiteningKind, paths: Iterable[str]) -> dict[str, Any]:
        """Returns what an encoder's configuration says of its training on the images at ``paths``."""
        learned = {"accessions": accessions_of(paths)} if self.epochs or whitening != "none" else {}
        if not self.epochs:
            return learned  # an untrained encoder is the same whatever the settings of a training are
        counts = {name: value for name, value in vars(self).items() if name not in ("history", "predictions")}
        return learned | {"settings": settings.lasting()} | counts


def train_encoder(
    encoder: Encoder,
    images: pd.DataFrame,
    reduced: ReducedImages,
    *,
    method: str,
    settings: Settings,
    checkpoints: Path,
    progress: Progress = silent,
) -> Trained:
    """Trains an encoder in place; it ends with the weights of the epoch that was best by ``settings.keep``.

    A training that was killed goes on after its last whole epoch when it is called again with the same arguments; the
    result is that of one that was never killed, on the CPU number for number.

    Args:
        images: as in data/training.parquet.
        checkpoints: folder of this training alone; the caller removes it when the result is safe.

    Raises:
        UserError: no such method, too few images, or a loss that is not a number.
        KeyboardInterrupt: the user stopped it.
        HelperDone: this process helped another one, which has the result; nothing may be written.
    """
    objective = build_objective(method, encoder, images, settings)
    if objective is None:
        return Trained(HISTORY.empty_table(), PREDICTIONS.empty_table())
    unwhiten(encoder)
    training, validation = objective.select(images)
    _log.info("training on %d images, validating on %d", len(training), len(validation))
    batches = objective.batches(training, validates=False), objective.batches(validation, validates=True)
    loaders = [
        load_batches(_samples(objective, encoder, rows, reduced), order, workers=settings.workers)
        for rows, order in zip((training, validation), batches, strict=True)
    ]
    task, record = _Task(encoder, objective, settings), Record(settings.patience, measure=MEASURES[settings.keep])
    _fit(task, loaders, record, settings, checkpoints, progress)
    task.load_state_dict(record.best)
    predictions = objective.predictions(encoder, images, reduced)
    objective.finish(encoder)
    encoder.cpu().eval()
    return Trained(
        pa.Table.from_pylist(record.rows, schema=HISTORY),
        predictions,
        epochs=record.epochs,
        best_epoch=record.best_epoch,
        images=len(training),
        validation_images=len(validation),
    )


def write_trained(folder: Path, encoder: Encoder, trained: Trained) -> None:
    """Writes an encoder with its history and predictions, in the place of the folder before."""
    with writing_folder(folder) as temporary:
        encoder.save(temporary)
        write_parquet(temporary / "history.parquet", trained.history)
        write_parquet(temporary / "predictions.parquet", trained.predictions)
    epochs = (trained.best_epoch, trained.epochs)
    _log.info("%s: %d-dimensional embeddings, epoch %d of %d", folder, encoder.dimension, *epochs)


def _samples(objective: Objective, encoder: Encoder, images: pd.DataFrame, reduced: ReducedImages) -> Samples:
    return Samples(Squares(images, reduced, encoder.preprocess), objective.describe(images))


def fit_whitening(
    encoder: Encoder, images: pd.DataFrame, reduced: ReducedImages, *, kind: WhiteningKind, settings: Settings
) -> None:
    """Learns the encoder's whitening on the images that it may learn from, 10,000 at most.

    ``none`` leaves it the whitening that its weights came with.
    """
    if kind == "none":
        return
    unwhiten(encoder)
    learnable = images[trainable(images)].sort_values("image_id").head(MOST_FOR_WHITENING)  # ids are hashes: a sample
    squares = Squares(learnable, reduced, encoder.preprocess)
    rows = BatchSampler(range(len(squares)), settings.batch_size, drop_last=False)
    encoder.to(choose_device())
    vectors = [
        encoder.embed_preprocessed(batch.numpy(), batch_size=settings.batch_size, precision=settings.precision)
        for batch in load_batches(squares, rows, workers=settings.workers)
    ]
    encoder.cpu()
    whiten(encoder, np.concatenate([np.empty((0, encoder.dimension), np.float32), *vectors]), kind)


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
