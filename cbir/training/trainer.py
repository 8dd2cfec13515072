"""One trainer for every method: optimiser, schedule, history, early stopping, and checkpoints to resume from."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from torch.utils.data import BatchSampler

from cbir.archive.manifest import accessions_of
from cbir.base.display import Progress, silent
from cbir.base.files import write_parquet, writing_folder
from cbir.encoders.devices import choose_device
from cbir.encoders.encoder import Encoder, unwhiten, whiten
from cbir.encoders.layers import WhiteningKind
from cbir.images.reduced import ReducedImages
from cbir.training.batches import Samples, Squares, load_batches, trainable
from cbir.training.objective import PREDICTIONS, Objective, build_objective
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
    from cbir.training.fitting.fit import fit  # where nothing is trained, Lightning need not be loaded

    record = fit(encoder, objective, loaders, settings=settings, checkpoints=checkpoints, progress=progress)
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
