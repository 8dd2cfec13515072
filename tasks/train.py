"""Stage train: an encoder for this archive, trained on its images or as its backbone comes."""

import hashlib
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cbir.archive.manifest import accessions_of
from cbir.encoders.devices import keep_memory
from cbir.encoders.encoder import build_encoder
from cbir.encoders.layers import Pooling, WhiteningKind
from cbir.encoders.preprocess import Resize
from cbir.errors import UserError
from cbir.files import write_parquet, writing_folder
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_training
from cbir.training.checkpoints import checkpoint_key
from cbir.training.ranks import is_helper
from cbir.training.settings import Settings
from cbir.training.trainer import Trained, fit_whitening, train_encoder
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def train(
    paths: Paths,
    *,
    longest_side: int,
    method: str,
    backbone: str,
    backbone_options: dict[str, Any],
    weights: str,
    mean: list[float],
    std: list[float],
    image_size: int,
    resize: Resize,
    greyscale: bool,
    pooling: Pooling,
    whitening: WhiteningKind,
    settings: Settings,
) -> None:
    """Writes the encoder, its configuration, its history, and what it says of the images of val and test."""
    keep_memory()
    weights = _local(weights, paths.weights)
    images = read_training(paths.training)
    encoder = build_encoder(
        backbone=backbone,
        backbone_options=backbone_options,
        weights=weights,
        image_size=image_size,
        resize=resize,
        greyscale=greyscale,
        mean=mean,
        std=std,
        pooling=pooling,
        seed=settings.seed,
    )
    start = {"method": method, "weights": _identity(weights), "seed": settings.seed}
    key = checkpoint_key(
        {**start, **_lasting(settings), **asdict(encoder.config), "longest_side": longest_side}, paths.training
    )
    checkpoints = paths.store / "checkpoints" / key
    reduced = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    log.info("%s, %s from %s, on %d images", method, backbone, start["weights"], len(images))
    trained = train_encoder(
        encoder, images, reduced, method=method, settings=settings, checkpoints=checkpoints, progress=tqdm
    )
    fit_whitening(encoder, images, reduced, kind=whitening, settings=settings)
    learned = {"accessions": accessions_of(images["path"])} if trained.epochs or whitening != "none" else {}
    encoder.config = replace(encoder.config, training=start | learned | _facts(trained, settings))
    with writing_folder(paths.encoder) as folder:
        encoder.save(folder)
        write_parquet(folder / "history.parquet", trained.history)
        write_parquet(folder / "predictions.parquet", trained.predictions)
    shutil.rmtree(checkpoints, ignore_errors=True)
    log.info(
        "%s: %d-dimensional embeddings, epoch %d of %d",
        *(paths.encoder, encoder.dimension, *_epochs(trained)),
    )


def _local(weights: str, folder: Path) -> str:
    """Returns the path of weights that are a file, which lies in ``folder`` so that DVC sees when it changes."""
    if weights in ("none", "pretrained"):
        return weights
    path = folder / weights
    if not path.is_file() or path.resolve().parent != folder.resolve():
        raise UserError(f"train.weights is {weights!r}, which is no file in {folder}: copy it there and give its name")
    return str(path)


def _identity(weights: str) -> str:
    """What the weights are, wherever the file lies."""
    if weights in ("none", "pretrained"):
        return weights
    return f"sha256:{hashlib.sha256(Path(weights).read_bytes()).hexdigest()}"


def _lasting(settings: Settings) -> dict[str, Any]:
    """Returns the settings that leave a trace in the result; how many trained together only where they were several."""
    apart = ("workers", "devices", "nodes", "strategy")
    values = {name: value for name, value in asdict(settings).items() if name not in apart}
    return values | ({"ranks": settings.ranks} if settings.ranks > 1 else {})


def _facts(trained: Trained, settings: Settings) -> dict[str, Any]:
    if not trained.epochs:
        return {}  # so that an untrained encoder is the same whatever the settings of a training are
    counts = {name: value for name, value in vars(trained).items() if name not in ("history", "predictions")}
    return {"settings": _lasting(settings)} | counts


def _epochs(trained: Trained) -> tuple[int, int]:
    return trained.best_epoch, trained.epochs


if __name__ == "__main__":
    main(train, helper=is_helper())
