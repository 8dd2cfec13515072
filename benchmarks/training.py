"""Training against reprints: a frozen backbone, and the same one tuned on photographs that it is not measured on.

Queries are severe reprints of photographs that were left out, made with other screens, page layouts and draws than
training sees; the gallery is the whole archive. `python -m benchmarks.training` takes the folder of data and weights.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from benchmarks.figures import Figure
from cbir.encoders.encoder import Encoder, load_encoder, to_images
from cbir.evaluation.retrieval.metrics import average_precision
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_training, write_training
from cbir.labels.splits import split_of
from cbir.reprints.press import PRESS_SIZE
from cbir.reprints.reprint import SEVERE_UNSEEN, reprint
from cbir.training.batches import Squares
from tasks.clean import clean
from tasks.groundtruth import groundtruth
from tasks.harness.settings import Paths, grouped, load_paths, read_yaml
from tasks.train import train
from tests.support.workspace import ROOT

SHARED = ROOT.parent / "shared"
WEIGHTS = Path("weights/mobilenetv2_100_imagenet.safetensors")
DRAWS = 3  # reprints of each photograph
TRAIN, VAL = 0.7, 0.1  # parts of the photographs; the rest is test
SEED = 90_000  # of the reprints; training draws from others
START = {
    "backbone": "timm/mobilenetv2_100",
    "backbone_options": {"pad_type": "same"},  # the weights were converted from a library that pads so
    "mean": [0.5],
    "std": [0.5],
    "image_size": 160,
    "greyscale": True,
    "pooling": "gem",
    "freeze_batch_norm": True,  # folded into the weights: their statistics are not those of the data
}
TUNED = START | {
    "method": "simclr",
    "augmentation": "press",
    "clean_views": 0.0,
    "temperature": 0.07,
    "koleo": 0.5,
    "learning_rate": 3e-4,
    "head_learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 50,  # of 7 steps: 350
    "patience": 50,
}
FROZEN = START | {"method": "none"}


Split = Literal["val", "test"]


def run(shared: Path = SHARED, *, split: Split = "test") -> list[Figure]:
    """Measures both encoders on the reprints of one split; settings were chosen on val, test is for the result."""
    weights = {"weights": WEIGHTS.name}
    with tempfile.TemporaryDirectory() as folder:
        archive = prepare(Path(folder), shared)
        start = archive.score(archive.train(FROZEN | weights), split=split)
        began = time.monotonic()
        tuned = archive.score(archive.train(TUNED | weights), split=split)
        minutes = (time.monotonic() - began) / 60
    name = "severe reprints, map@10"
    detail = f"{DRAWS} reprints of each of {archive.left_out(split).sum()} photographs of the {split} split"
    return [
        Figure(f"{name}, frozen start", start, "", bar=0.45, higher_is_better=False, detail=detail),
        Figure(f"{name}, trained on other photographs", tuned, "", bar=0.80, detail=detail),
        Figure("severe reprints, time of training", minutes, "min", bar=20, higher_is_better=False),
    ]


@dataclass(frozen=True)
class Archive:
    """The photographs after the stages clean and groundtruth, and how well an encoder finds reprints among them."""

    paths: Paths
    params: dict[str, Any]
    images: pd.DataFrame
    reduced: ReducedImages

    def train(self, changes: dict[str, Any]) -> Encoder:
        """Trains the encoder as the stage train does, with these changes to its section of params.yaml."""
        train(self.paths, **grouped(train, self.params["images"] | self.params["train"] | changes))
        return load_encoder(self.paths.encoder)

    def left_out(self, split: Split) -> np.ndarray:
        """Tells which photographs are of a split and did not train, (n,) bool."""
        return (self.images["split"] == split).to_numpy()

    def score(self, encoder: Encoder, *, split: Split) -> float:
        """Computes map@10 of reprints of the left-out photographs; right are the photograph and its group."""
        dataset = Squares(self.images, self.reduced, encoder.preprocess)
        squares = torch.stack([dataset[row] for row in range(len(dataset))])
        gallery = encoder.embed_preprocessed(squares.numpy())
        originals = np.flatnonzero(self.left_out(split))
        press = SEVERE_UNSEEN.scaled(encoder.config.image_size / PRESS_SIZE)
        generator = torch.Generator().manual_seed(SEED)
        group = pd.factorize(self.images["group_id"].fillna(self.images["image_id"]))[0]
        scores = []
        for _ in range(DRAWS):
            reprints = reprint(to_images(squares[originals]), press, generator=generator)
            queries = encoder.embed_preprocessed((reprints * 255).round().byte().permute(0, 2, 3, 1).numpy())
            ranked = np.argsort(-(queries @ gallery.T), axis=1, kind="stable")
            hits = group[ranked] == group[originals][:, None]
            scores.append(average_precision(hits, hits.sum(axis=1), 10))
        return float(np.mean(scores))


def prepare(folder: Path, shared: Path) -> Archive:
    """Runs clean and groundtruth on the photographs, in a folder of its own."""
    source = shared / "data/historical"
    params = read_yaml(ROOT / "params.yaml")
    names = {name: str(folder / value) for name, value in params["paths"].items()}
    paths = load_paths({"paths": names})
    paths.raw.mkdir(parents=True)
    shutil.copytree(source / "images", paths.raw / "historical")
    paths.weights.mkdir(parents=True)
    shutil.copy(shared / WEIGHTS, paths.weights)
    paths.reference.mkdir(parents=True)
    shutil.copy(source / "groundtruth.xlsx", paths.reference)
    clean(paths, **grouped(clean, params["images"] | params["clean"]))
    known = params["groundtruth"] | {"file": "groundtruth.xlsx"}
    groundtruth(paths, **known)
    images = read_training(paths.training)
    whole = images["group_id"].fillna(images["image_id"])  # those without a group are left out too, not only groups
    images["split"] = [split_of(name, train=TRAIN, val=VAL, seed=0) for name in whole]
    write_training(paths.training, images)
    return Archive(paths, params, images, ReducedImages(paths.store, paths.raw, **params["images"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", nargs="?", type=Path, default=SHARED, help="holds data/historical and weights")
    parser.add_argument("--split", choices=["val", "test"], default="test")
    options = parser.parse_args()
    for figure in run(options.shared, split=options.split):
        print(figure.name, round(figure.value, 3), figure.unit, figure.detail)


if __name__ == "__main__":
    main()
