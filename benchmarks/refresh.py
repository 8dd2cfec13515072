"""Measures a refresh with 1 % new images against a run from scratch: as a whole, by stage, and as the archive grows."""

import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.figures import Figure
from cbir.archive.manifest import SCHEMA
from cbir.base.files import write_parquet
from cbir.embedding.files import write_embeddings
from cbir.index.neighbours import read_neighbours
from cbir.labels.appearances.files import METADATA
from cbir.matching.table import both_directions, write_matches
from tasks.group import group
from tasks.harness.settings import Paths
from tasks.index import index
from tests.support.workspace import Workspace, prefect_server

BAR = 0.10
SECONDS = 25  # of a refresh of 2,000 images, on two cores that do nothing else
LABELLED = 200  # groups in the ground truth
GROUNDTRUTH = ("groundtruth.file=groups.csv", "groundtruth.layout=row", "groundtruth.captions=''")
FROZEN = ("train.weights=none", "train.whitening=centre")  # a network from scratch, nothing trained
DIMENSION = 128  # of the synthetic vectors


@dataclass(frozen=True)
class Case:
    """An archive of so many images, and settings that are not the shipped ones.

    The ratio has no bar where a run from scratch takes a minute, of which no refresh can be a tenth: it loads as much;
    nor where the network costs next to nothing, and the figure tells how a refresh grows with the archive.
    """

    images: int
    settings: tuple[str, ...]
    network: str
    bar: float | None = BAR
    seconds: float | None = None


CASES = (
    Case(2_000, (), "the settings as shipped", seconds=SECONDS),
    Case(
        2_000,
        ("train.backbone=timm/resnet18", "train.image_size=224", *FROZEN),
        "ResNet-18, nothing trained",
        bar=None,
        seconds=SECONDS,
    ),
    Case(20_000, ("train.backbone=timm/resnet50", "train.image_size=224", *FROZEN), "ResNet-50, nothing trained"),
    Case(200_000, ("train.backbone=timm/test_resnet", "train.image_size=64", *FROZEN), "a tiny network", bar=None),
)


def run() -> list[Figure]:
    """Measures all figures; an hour on two cores that do nothing else."""
    with prefect_server() as environment:
        figures = [figure for case in CASES for figure in refreshed(case, environment)]
    return [*figures, *(figure for count in (2_000, 20_000, 200_000) for figure in grown(count))]


@dataclass(frozen=True)
class Run:
    """Seconds of a command: as a whole, and by each stage that ran with what DVC does for it."""

    whole: float
    stages: dict[str, float]


def refreshed(case: Case, environment: dict[str, str]) -> list[Figure]:
    """Times `cbir run` on 99 % of so many files, then `cbir refresh` with nothing new, and with 1 % new."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.make(Path(folder) / "workspace", environment)
        landing = workspace.folder / "data/landing"
        landing.mkdir()
        write_archive(workspace.folder / "data", count=case.images)
        workspace.command("dvc", "add", "data/reference/groups.csv", workspace.folder / "data/raw/main")
        scratch = timed(workspace, "run", *(f"--set={setting}" for setting in (*GROUNDTRUTH, *case.settings)))
        timed(workspace, "refresh")  # the first one writes down what is there
        nothing = timed(workspace, "refresh")
        (workspace.folder / "data/new").rename(landing / "new")
        (landing / ".done").touch()
        return _figures(case, scratch, nothing, timed(workspace, "refresh"))


def timed(workspace: Workspace, *words: str) -> Run:
    """Runs a command of the project; the seconds of its stages are in the lines that it prints."""
    started = time.perf_counter()
    done = workspace.command("cbir", *words)
    whole = time.perf_counter() - started
    stages = re.findall(r"^(\w+): ran, ([\d.]+) s$", done.stderr, re.MULTILINE)
    return Run(whole, {name: float(seconds) for name, seconds in stages})


def _figures(case: Case, scratch: Run, nothing: Run, new: Run) -> list[Figure]:
    what = f"refresh of 1 % of {case.images:,} images, {case.network}"
    training = scratch.stages.get("train", 0.0)
    options: dict[str, Any] = {"unit": "×", "higher_is_better": False}
    detail = f"{new.whole:.1f} s against {scratch.whole:.1f} s, {training:.1f} s of which are the stage train's"
    ratio = new.whole / scratch.whole
    figures = [
        Figure(what, ratio, baseline="cbir run from scratch", bar=case.bar, detail=detail, **options),
        Figure(f"{what}: as a whole", new.whole, "s", bar=case.seconds, higher_is_better=False),
        Figure(f"{what}: nothing landed", nothing.whole, "s"),
    ]
    for stage, seconds in new.stages.items():
        detail = f"{seconds:.1f} s against {scratch.stages[stage]:.1f} s"
        figures.append(Figure(f"{what}: {stage}", seconds / scratch.stages[stage], detail=detail, **options))
    return figures


def write_archive(data: Path, *, count: int) -> None:
    """Writes JPEG files of 256 px, every fifth a reprint of the last: an accession ``main``, and beside it ``new``, 1
    %.
    """
    chance = np.random.default_rng(0)
    groups: list[tuple[str, str]] = []
    pixels: np.ndarray = np.empty((0, 0), np.uint8)
    for number in range(count):
        folder = "new" if number >= count - count // 100 else "raw/main"
        path = data / folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 5 or not number:
            coarse = chance.integers(0, 256, (8, 8), np.uint8)
            pixels = cv2.resize(coarse, (256, 192), interpolation=cv2.INTER_CUBIC)
        else:
            pixels = pixels[3:, 4:]
            groups.append((f"{number - 1:06d}.jpg", path.name))
        noisy = pixels + chance.normal(0, 6, pixels.shape)
        cv2.imwrite(str(path), noisy.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    lines = "\n".join(";".join(group) for group in groups[:LABELLED])
    (data / "reference/groups.csv").write_text(f"{lines}\n", encoding="utf-8")


def grown(count: int) -> list[Figure]:
    """Seconds of the stages index and group, without their processes, when 1 % of so many synthetic vectors is new."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        names = [field.name for field in fields(Paths)]
        paths = Paths(**{name: Path(folder) / name for name in names})
        paths.reports.mkdir()
        (paths.reports / "threshold.json").write_text(json.dumps({"threshold": 0.5, "rule": "default"}))
        for new in (False, True):
            _write_vectors(paths, count if new else count - count // 100, of=count)
            for name, work in (("index", _index), ("group", _group)):
                if name == "group":
                    _write_matches(paths)
                started = time.perf_counter()
                work(paths)
                seconds[name, new] = time.perf_counter() - started
    return [
        Figure(
            f"{name} after 1 % new of {count:,} vectors",
            seconds[name, True],
            "s",
            f"from scratch: {seconds[name, False]:.1f} s",
            detail=f"{seconds[name, True] / seconds[name, False]:.3f} of it",
        )
        for name in ("index", "group")
    ]


def _index(paths: Paths) -> None:
    index(paths, kind="flat", k=30, seed=0, shards=1, on_disk=False)


def _group(paths: Paths) -> None:
    group(paths, longest_side=512, threshold=0.5, report_groups=0, thumbnail_side=160)


def _write_matches(paths: Paths) -> None:
    """Writes each image's ten nearest as matches, whose probability is the cosine."""
    near = read_neighbours(paths.neighbours).query("rank <= 10")
    ends = near["query_id"].to_numpy(object), near["neighbour_id"].to_numpy(object)
    first, second = np.minimum(*ends), np.maximum(*ends)
    pairs = pd.DataFrame({"query_id": first, "neighbour_id": second, "similarity": near["similarity"]})
    pairs = pairs.drop_duplicates(["query_id", "neighbour_id"], ignore_index=True)
    facts = {"relation": "unrelated", "mirrored": False, "inliers": 0, "overlap_query": 0.0, "overlap_neighbour": 0.0}
    facts |= {"map": None, "tone": 0.0, "log_nfa": 0.0}
    probability = pairs["similarity"].clip(0, 1)
    write_matches(paths.matches, both_directions(pairs.assign(probability=probability, **facts)))


def _write_vectors(paths: Paths, count: int, *, of: int) -> None:
    """Writes the first ``count`` images of ``of``, a tenth of them in pairs, with a manifest and no ground truth."""
    chance = np.random.default_rng(0)
    vectors = chance.standard_normal((of, DIMENSION), np.float32)
    vectors[1::20] = vectors[::20] + 0.1 * vectors[1::20]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([f"{number:032x}" for number in chance.permutation(of)], object)[:count]
    order = np.argsort(ids)
    shutil.rmtree(paths.embeddings, ignore_errors=True)
    batch = ids[order].tolist(), vectors[:count][order]
    write_embeddings(paths.embeddings, [batch], dimension=DIMENSION, encoder_digest="made up", precision="float32")
    known = {"page": 0, "accession": "a", "bytes": 1, "width": 9, "height": 9, "status": "ok"}
    rows = pd.DataFrame({"image_id": ids, "path": [f"a/{number}.jpg" for number in range(count)]}).assign(**known)
    write_parquet(paths.manifest, pa.Table.from_pandas(rows.reindex(columns=SCHEMA.names), SCHEMA))
    columns = ["image_id", "group_id", "split", "caption", "caption_en"]
    rows[["image_id"]].reindex(columns=columns).to_parquet(paths.groundtruth)
    write_parquet(paths.metadata, METADATA.empty_table())
