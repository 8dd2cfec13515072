"""Makes the weights that ship with cbir, where the photographs are: `make weights`. Takes hours of two cores, goes on
where it was stopped, and ends with the model card.
"""

import argparse
import logging
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks.card import write_card
from benchmarks.photographs import near_measured, photographs, reduced_photographs
from benchmarks.reprints import IMAGENET
from cbir.encoders.encoder import Encoder, build_encoder
from cbir.images.reduced import ReducedImages
from cbir.training.checkpoints import read_checkpoint
from cbir.training.fitting.callbacks import Record
from cbir.training.settings import Settings
from cbir.training.shipped.loading import FOLDER, save_shipped
from cbir.training.trainer import fit_whitening, train_encoder
from tests.support.workspace import ROOT

IMAGE_SIZE = 224  # px at which it embeds; it is trained at the preset's size
PICTURE = "images/00000.jpg"  # stored with its embedding
PICTURE_SIDE = 160  # px of its longer side

log = logging.getLogger(__name__)


def main() -> None:
    """Trains by the recipe of presets/press.yaml from the weights of ImageNet, and writes what ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".store/weights"), help="checkpoints, reduced photographs")
    parser.add_argument("--set", action="append", default=[], metavar="name=value", help="of the section train")
    parser.add_argument("--so-far", action="store_true", help="ship the best epoch of a training that is under way")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    work, values = arguments.work, recipe(dict(setting.split("=", 1) for setting in arguments.set))
    settings = Settings(**{field.name: values[field.name] for field in fields(Settings)})
    reduced = reduced_photographs(work)
    photos, left_out = training_photographs(work, reduced)
    encoder = start(values)
    log.info("%d photographs, %s", len(photos), values)
    if arguments.so_far:
        best, epochs = read_best(encoder, work / "checkpoints")
    else:
        trained = train_encoder(
            encoder, photos, reduced, method=values["method"], settings=settings, checkpoints=work / "checkpoints"
        )
        best, epochs = trained.best_epoch, trained.epochs
    ship(encoder, photos, reduced, settings=settings)
    write_card(FOLDER, photos=photos, left_out=left_out, values=values, best=best, epochs=epochs)
    log.info("%s: best epoch %d of %d", FOLDER, best, epochs)


def read_best(encoder: Encoder, checkpoints: Path) -> tuple[int, int]:
    """Gives an encoder the weights of the best epoch of a checkpoint; returns that epoch and the number of epochs."""
    checkpoint = read_checkpoint(checkpoints)
    if checkpoint is None:
        sys.exit(f"error: {checkpoints} holds no checkpoint yet; leave --so-far out")
    record = Record(0)
    record.load_state_dict(checkpoint["callbacks"][record.state_key])
    own = "encoder."
    state = {name.removeprefix(own): value for name, value in record.best.items() if name.startswith(own)}
    encoder.load_state_dict(state)
    encoder.eval()
    return record.best_epoch, record.epochs


def recipe(changes: dict[str, str]) -> dict[str, Any]:
    """Returns the section ``train`` as the preset press has it, with other values by name."""
    yaml = YAML(typ="safe")
    values = yaml.load(ROOT / "params.yaml")["train"] | yaml.load(ROOT / "presets/press.yaml")["params"]["train"]
    return values | {name: yaml.load(value) for name, value in changes.items()}


def training_photographs(work: Path, reduced: ReducedImages) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the photographs but for those that a measurement shows too, and the list of these, which is kept."""
    photos, file = photographs(), work / "left_out.csv"
    if not file.exists():
        near_measured(photos, reduced).to_csv(file, index=False)
    left_out = pd.read_csv(file)
    return photos[~photos["path"].isin(left_out["path"])].reset_index(drop=True), left_out


def start(values: dict[str, Any]) -> Encoder:
    """Builds the network of ImageNet that training begins with."""
    chosen = {name: values[name] for name in ("image_size", "pooling", "resize", "seed")}
    return build_encoder(**IMAGENET, **chosen)


def ship(encoder: Encoder, photos: pd.DataFrame, reduced: ReducedImages, *, settings: Settings) -> None:
    """Centres an encoder on the photographs and writes it to where it ships from."""
    encoder.config = replace(encoder.config, image_size=IMAGE_SIZE)
    fit_whitening(encoder, photos, reduced, kind="centre", settings=settings)
    (photo,) = photos[photos["path"] == PICTURE].itertuples()
    pixels = reduced.read(photo.image_id, photo.path, 0)
    side = PICTURE_SIDE / max(pixels.shape)
    picture = cv2.resize(pixels, None, fx=side, fy=side, interpolation=cv2.INTER_AREA).astype(np.uint8)
    save_shipped(encoder, FOLDER, picture=picture)


if __name__ == "__main__":
    main()
