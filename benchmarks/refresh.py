"""A refresh, in which 1 % of an archive is new, against a run from scratch: as a whole, by stage, and as it grows."""

import json
import resource
import shutil
import subprocess
import sys
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
from benchmarks.workspace import Workspace
from cbir.embedding import write_embeddings
from cbir.files import write_parquet
from cbir.manifest import SCHEMA
from flows.workspace import with_values
from tasks.group import group
from tasks.index import index
from tasks.stage import Paths

STAGES = ("clean", "groundtruth", "embed", "index", "evaluate", "group", "robustness")
BAR = 0.05
FIRST, LABELLED = 200, 200  # files that the encoder is made for, and groups in the ground truth
SETTINGS = {
    "train.method": "none",
    "train.accessions": "[first]",
    "train.whitening": "centre",
    "groundtruth.file": "groups.csv",
    "groundtruth.layout": "row",
    "tracking.uri": '""',
}
# A network that people use where encoding is quick; above, the smallest there is, which flatters the run from scratch.
NETWORKS = {2_000: ("timm/resnet18", 224), 20_000: ("timm/test_resnet", 64)}
DIMENSION = 128  # of the synthetic vectors


def run() -> list[Figure]:
    """All figures; 20 minutes on two cores that do nothing else."""
    figures = [figure for count in NETWORKS for figure in refreshed(count)]
    return [*figures, *(figure for count in (2_000, 20_000, 200_000) for figure in grown(count))]


@dataclass(frozen=True)
class Run:
    """Seconds of a `dvc repro`: as a whole, without the stage train, and by stage with what DVC does for it.

    ``processor`` is the time that all its processes computed, which says more where other programs run too; it has
    training in it.
    """

    whole: float
    stages: dict[str, float]
    processor: float


def refreshed(count: int) -> list[Figure]:
    """The pipeline by `dvc repro` on so many files: 99 % from scratch, the same with nothing new, and with 1 % new."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.make(Path(folder) / "workspace", {"TQDM_DISABLE": "1"})
        backbone, size = NETWORKS[count]
        _settle(workspace, {**SETTINGS, "train.backbone": backbone, "train.image_size": size})
        write_archive(workspace.folder / "data", count=count)
        raw = workspace.folder / "data/raw"
        (raw / "new").rename(workspace.folder / "late")
        workspace.command("dvc", "add", "data/reference/groups.csv", raw / "first", raw / "main")
        scratch, nothing = repro(workspace), repro(workspace)
        (workspace.folder / "late").rename(raw / "new")
        workspace.command("dvc", "add", raw / "new")
        new = repro(workspace)
        starts = {stage: _start(workspace, stage) for stage in STAGES}
    return _figures(f"{count:,} images", scratch, nothing, new, starts)


def _settle(workspace: Workspace, settings: dict[str, Any]) -> None:
    file = workspace.folder / "params.yaml"
    text, _ = with_values(file.read_text(encoding="utf-8"), {}, [f"{name}={value}" for name, value in settings.items()])
    file.write_text(text, encoding="utf-8")


def write_archive(data: Path, *, count: int) -> None:
    """Accessions ``first``, ``main``, and ``new`` (1 %) of JPEG files of 256 px, every fifth a reprint of the last."""
    chance = np.random.default_rng(0)
    groups: list[tuple[str, str]] = []
    pixels: np.ndarray = np.empty((0, 0), np.uint8)
    for number in range(count):
        accession = "first" if number < FIRST else "new" if number >= count - count // 100 else "main"
        path = data / "raw" / accession / f"{number // 1000:03d}" / f"{number:06d}.jpg"
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


def repro(workspace: Workspace) -> Run:
    """Bring the workspace up to date by `dvc repro`, timed by the lines that it prints.

    Raises:
        RuntimeError: it failed.
    """
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    starts: list[tuple[str, float]] = []
    said: list[str] = []
    with subprocess.Popen(
        ["dvc", "repro"],
        cwd=workspace.folder,
        env=workspace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("Running stage"):
                starts.append((line.split("'")[1], time.perf_counter()))
    end = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"dvc repro failed:\n{''.join(said)}")
    ends = [*(started for _, started in starts), end][1:]
    stages = {name: ended - started for (name, started), ended in zip(starts, ends, strict=True)}
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(end - begun - stages.pop("train", 0), stages, processor)


def _start(workspace: Workspace, stage: str) -> float:
    """Seconds until a stage's process has loaded its code, and embed the encoder: what it takes for any new image."""
    code = f"import tasks.{stage}"
    if stage == "embed":
        code += (
            "; from pathlib import Path; from cbir.encoder import load_encoder; load_encoder(Path('models/encoder'))"
        )
    started = time.perf_counter()
    workspace.command(sys.executable, "-c", code)
    return time.perf_counter() - started


def _figures(what: str, scratch: Run, nothing: Run, new: Run, starts: dict[str, float]) -> list[Figure]:
    """Ratios; what any run takes, however little is new (DVC's look at the files, loading code), apart."""
    fixed = nothing.whole + sum(starts.values())
    less = (new.whole - fixed) / (scratch.whole - fixed)
    detail = (
        f"{new.whole:.1f} s against {scratch.whole:.1f} s; of each {nothing.whole:.1f} s for a run without news and "
        f"{sum(starts.values()):.1f} s to load the stages' code and the encoder"
    )
    options: dict[str, Any] = {"unit": "×", "baseline": "from scratch, training left out", "higher_is_better": False}
    figures = [
        Figure(f"refresh of 1 %, {what}, whole", new.whole / scratch.whole, detail=detail, **options),
        Figure(f"refresh of 1 %, {what}, less start-up", less, bar=BAR, detail=detail, **options),
        Figure(f"refresh of 1 %, {what}, processor time", new.processor / scratch.processor, **options),
    ]
    for stage in STAGES:
        before, after, start = (seconds.get(stage, 0) for seconds in (scratch.stages, new.stages, starts))
        detail = f"{after:.2f} s against {before:.2f} s, of each {start:.2f} s to load what it needs"
        figures.append(Figure(f"refresh of 1 %, {what}, {stage}", after / before, detail=detail, **options))
    return figures


def grown(count: int) -> list[Figure]:
    """Seconds of the stages index and group, without their processes, when 1 % of so many synthetic vectors is new."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        names = [field.name for field in fields(Paths)]
        paths = Paths(**{name: Path(folder) / name for name in names})
        paths.reports.mkdir()
        (paths.reports / "threshold.json").write_text(json.dumps({"threshold": 0.9, "rule": "default"}))
        for new in (False, True):
            _write_vectors(paths, count if new else count - count // 100, of=count)
            for name, work in (("index", _index), ("group", _group)):
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
    group(paths, longest_side=512, threshold=0.9, report_groups=0, thumbnail_side=160)


def _write_vectors(paths: Paths, count: int, *, of: int) -> None:
    """The first ``count`` images of ``of``, a tenth of them in pairs, with a manifest and no ground truth."""
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
