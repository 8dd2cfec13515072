"""Stage ``train``: makes an encoder for this archive, trained on its images or as its backbone comes."""

import hashlib
import logging
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cbir.archive.manifest import accessions_of
from cbir.encoders.devices import keep_memory
from cbir.encoders.encoder import Encoder, build_encoder
from cbir.encoders.files import encoder_digest
from cbir.encoders.layers import Pooling, WhiteningKind
from cbir.encoders.preprocess import Resize
from cbir.errors import UserError
from cbir.files import write_parquet, writing_folder
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_training
from cbir.training.checkpoints import checkpoint_key
from cbir.training.ranks import is_helper
from cbir.training.settings import Settings
from cbir.training.shipped.loading import FOLDER, SHIPPED, load_shipped
from cbir.training.trainer import Trained, fit_whitening, train_encoder
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)

NAMED = ("none", "pretrained", SHIPPED)  # weights that are no file of the workspace


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
    """Writes the encoder, its configuration, its history, and its predictions for the images of val and test."""
    keep_memory()
    weights = _local(weights, paths.weights)
    images = read_training(paths.training)
    stated: dict[str, Any] = {
        "backbone": backbone,
        "backbone_options": backbone_options,
        "resize": resize,
        "greyscale": greyscale,
        "mean": mean,
        "std": std,
        "pooling": pooling,
    }
    encoder = (
        load_shipped(stated, image_size=image_size)
        if weights == SHIPPED
        else build_encoder(**stated, weights=weights, image_size=image_size, seed=settings.seed)
    )
    start = {"method": method, "weights": _identity(weights), "seed": settings.seed}
    ingredients = start | _lasting(settings) | asdict(encoder.config) | {"longest_side": longest_side}
    checkpoints = paths.store / "checkpoints" / checkpoint_key(ingredients, paths.training)
    reduced = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    log.info("%s, %s from %s, on %d images", method, backbone, start["weights"], len(images))
    trained = train_encoder(
        encoder, images, reduced, method=method, settings=settings, checkpoints=checkpoints, progress=tqdm
    )
    fit_whitening(encoder, images, reduced, kind=whitening, settings=settings)
    encoder.config = replace(encoder.config, training=start | _facts(trained, settings, whitening, images["path"]))
    _write(paths.encoder, encoder, trained)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _local(weights: str, folder: Path) -> str:
    """Returns the path of a file of weights; it has to lie in ``folder``, for DVC to see when it changes."""
    if weights in NAMED:
        return weights
    path = folder / weights
    if not path.is_file() or path.resolve().parent != folder.resolve():
        raise UserError(f"train.weights is {weights!r}, which is no file in {folder}: copy it there and give its name")
    return str(path)


def _identity(weights: str) -> str:
    """Names the weights by their content, wherever the file lies."""
    if weights == SHIPPED:
        return f"{SHIPPED}, sha256:{encoder_digest(FOLDER)}"
    if weights in NAMED:
        return weights
    return f"sha256:{hashlib.sha256(Path(weights).read_bytes()).hexdigest()}"


def _lasting(settings: Settings) -> dict[str, Any]:
    """Returns the settings that leave a trace in the result, among them the number of ranks if there are several."""
    apart = ("workers", "devices", "nodes", "strategy")
    values = {name: value for name, value in asdict(settings).items() if name not in apart}
    return values | ({"ranks": settings.ranks} if settings.ranks > 1 else {})


def _facts(trained: Trained, settings: Settings, whitening: WhiteningKind, paths: Iterable[str]) -> dict[str, Any]:
    """Returns what an encoder's configuration says of its training on the images at ``paths``."""
    learned = {"accessions": accessions_of(paths)} if trained.epochs or whitening != "none" else {}
    if not trained.epochs:
        return learned  # an untrained encoder is the same whatever the settings of a training are
    counts = {name: value for name, value in vars(trained).items() if name not in ("history", "predictions")}
    return learned | {"settings": _lasting(settings)} | counts


def _write(folder: Path, encoder: Encoder, trained: Trained) -> None:
    with writing_folder(folder) as temporary:
        encoder.save(temporary)
        write_parquet(temporary / "history.parquet", trained.history)
        write_parquet(temporary / "predictions.parquet", trained.predictions)
    epochs = (trained.best_epoch, trained.epochs)
    log.info("%s: %d-dimensional embeddings, epoch %d of %d", folder, encoder.dimension, *epochs)


if __name__ == "__main__":
    main(train, helper=is_helper())
