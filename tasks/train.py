"""Stage ``train``: makes an encoder for this archive, trained on its images or as its backbone comes."""

import logging
import shutil
from dataclasses import asdict, replace
from typing import Any

from tqdm import tqdm

from cbir.encoders.devices import keep_memory
from cbir.encoders.layers import Pooling, WhiteningKind
from cbir.encoders.preprocess import Resize
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_training
from cbir.training.checkpoints import checkpoint_key
from cbir.training.ranks import is_helper
from cbir.training.rules.start import local_weights
from cbir.training.settings import Settings
from cbir.training.shipped.starting import identity_of, starting_encoder
from cbir.training.trainer import fit_whitening, train_encoder, write_trained
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
    """Writes the encoder, its configuration, its history, and its predictions for the images of val and test."""
    keep_memory()
    weights = local_weights(weights, paths.weights)
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
    encoder = starting_encoder(stated, weights=weights, image_size=image_size, seed=settings.seed)
    start = {"method": method, "weights": identity_of(weights), "seed": settings.seed}
    ingredients = start | settings.lasting() | asdict(encoder.config) | {"longest_side": longest_side}
    checkpoints = paths.store / "checkpoints" / checkpoint_key(ingredients, paths.training)
    reduced = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    log.info("%s, %s from %s, on %d images", method, backbone, start["weights"], len(images))
    trained = train_encoder(
        encoder, images, reduced, method=method, settings=settings, checkpoints=checkpoints, progress=tqdm
    )
    fit_whitening(encoder, images, reduced, kind=whitening, settings=settings)
    encoder.config = replace(encoder.config, training=start | trained.facts(settings, whitening, images["path"]))
    write_trained(paths.encoder, encoder, trained)
    shutil.rmtree(checkpoints, ignore_errors=True)


if __name__ == "__main__":
    main(train, helper=is_helper())
