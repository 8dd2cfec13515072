"""Fits the model of probabilities that ships: `python -m benchmarks.probability PHOTOS WEIGHTS`.

PHOTOS is a folder of photographs. Some are reprinted, mildly to severely and as small crops; each one and its reprints
show the same photograph, all others do not. WEIGHTS are those of a MobileNetV2 for the candidates by embedding. Writes
cbir/matching/probability.json. Measure on other images than PHOTOS.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import expit
from tqdm import tqdm

from benchmarks.historical import FROZEN
from benchmarks.photographs import LONGEST_SIDE, read_grey
from cbir.archive.manifest import read_manifest, unique_images
from cbir.base.files import write_json
from cbir.calibration.fitting import fit_logistic
from cbir.embedding.files import read_embeddings
from cbir.images.reduced import ReducedImages
from cbir.index.neighbours import read_neighbours
from cbir.matching.candidates import propose
from cbir.matching.description import describe
from cbir.matching.doubt import in_doubt
from cbir.matching.probability import features, point_features, read_logistic
from cbir.matching.standing import stand
from cbir.matching.verification import Verification
from cbir.reprints.press import MILD, PRESS, PRESS_SIZE, SEVERE_UNSEEN, Press
from cbir.reprints.reprint import reprint
from tests.support.workspace import ROOT, Workspace

GROUPS, DISTRACTORS, SEED, CLOSER = 250, 200, 7, 2
KINDS = {"mild": MILD, "press": PRESS, "severe": SEVERE_UNSEEN, "crop": replace(PRESS, crop=(0.1, 0.5))}
LEAST, SOFTNESS = (
    0.7,
    0.05,
)  # of 200 simulated reprints whose features agree, the forms of 199 correlate at 0.76 and more


def main(photos: Path, weights: Path) -> None:
    """Makes an archive of reprints, takes it through the stages to `index`, and fits the model to its pairs."""
    with tempfile.TemporaryDirectory() as folder:
        print_archive(photos, Path(folder) / "photos")
        workspace = Workspace.make(Path(folder) / "workspace")
        workspace.command("cbir", "import", Path(folder) / "photos", "--accession", "photos")
        (workspace.folder / "models/weights" / weights.name).write_bytes(weights.read_bytes())
        program = "import sys; from flows.workspace.settings import set_params; set_params(sys.argv[1:])"
        workspace.command("python", "-c", program, *FROZEN)
        workspace.command("dvc", "repro", "index")
        pairs = known_pairs(workspace.folder)
    document = {
        "fitted_on": "simulated reprints of openly licensed photographs",
        **{kind: fit_logistic(*known) for kind, known in pairs.items()},
        "appearance": {"least": LEAST, "softness": SOFTNESS},
    }
    write_json(ROOT / "cbir/matching/probability.json", document)


def print_archive(photos: Path, folder: Path) -> None:
    """Writes originals and reprints as NAME_KIND.jpg; images of one NAME show the same photograph."""
    folder.mkdir()
    rng, generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    files = sorted(photos.iterdir())
    for number, at in enumerate(rng.permutation(len(files))[: GROUPS + DISTRACTORS]):
        pixels = read_grey(files[at])
        for kind in _kinds(rng, alone=number >= GROUPS):
            made = pixels if kind == "whole" else _reprinted(pixels, KINDS[kind], rng, generator)
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 92))]
            cv2.imwrite(str(folder / f"{files[at].stem}_{kind}.jpg"), made, quality)


def _kinds(rng: np.random.Generator, *, alone: bool) -> Iterator[str]:
    """Yields one kind for a photograph that stays alone; else two to four, the photograph itself mostly among them."""
    drawn = rng.permutation(list(KINDS)).tolist()
    if alone:
        yield "whole" if rng.random() < 0.5 else drawn[0]
    elif rng.random() < 0.7:
        yield from ["whole", *drawn[: rng.integers(1, 4)]]
    else:
        yield from drawn[:2]


def _reprinted(
    pixels: NDArray[np.uint8], press: Press, rng: np.random.Generator, generator: torch.Generator
) -> NDArray[np.uint8]:
    scaled = press.scaled(max(pixels.shape) / PRESS_SIZE * rng.uniform(0.6, 1))
    made = reprint(torch.from_numpy(pixels).float()[None, None] / 255, scaled, generator=generator)[0, 0]
    size = rng.uniform(0.5, 1)
    grey = (255 * made).round().byte().numpy()
    return np.asarray(cv2.resize(grey, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), np.uint8)


Known = tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]  # features by name (m,), and which pairs are true (m,)


def known_pairs(workspace: Path) -> dict[str, Known]:
    """Returns the candidates of an archive that :func:`print_archive` made, as features and tones see them, and those
    in doubt among them as learned points do.
    """
    data, store = workspace / "data", workspace / ".store"
    images = unique_images(read_manifest(data / "manifest.parquet"))
    neighbours, embeddings = read_neighbours(data / "neighbours.parquet"), read_embeddings(data / "embeddings")
    source = ReducedImages(store, data / "raw", longest_side=LONGEST_SIDE)
    described = describe(images, source, store, most=500)
    pairs = propose(described, neighbours, images, near=10, votes=6, store=store)
    verification = Verification(images, described, source, store, progress=tqdm)
    evidence = verification.by_features(pairs)
    standing = stand(pairs, neighbours, embeddings.ids, embeddings.vectors)
    names = pd.Series([Path(path).stem.partition("_")[0] for path in images["path"]]).to_numpy()
    true = names[pairs[:, 0]] == names[pairs[:, 1]]
    values = features(evidence, images=len(images), nearness=standing.nearness, ranks=standing.ranks)
    likely = expit(read_logistic(fit_logistic(values, true)).odds(values))
    rows = in_doubt(likely, evidence, standing.ranks, nearest=CLOSER)
    closer = verification.by_points(pairs[rows])
    return {"by_features": (values, true), "by_points": (point_features(closer), true[rows])}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
