"""The frozen ImageNet backbone on real historical photographs: retrieval over all labelled images, end to end."""

import shutil
import tempfile
from pathlib import Path

from benchmarks.figures import Figure
from tests.support.workspace import ROOT, Workspace

SHARED = ROOT.parent / "shared"
WEIGHTS = SHARED / "weights/mobilenetv2_100_imagenet.safetensors"
FROZEN = (
    "train.method=none",
    "train.backbone=timm/mobilenetv2_100",
    "train.backbone_options={pad_type: same}",  # the weights were converted from a library that pads so
    f"train.weights={WEIGHTS.name}",
    "train.mean=[0.5, 0.5, 0.5]",
    "train.std=[0.5, 0.5, 0.5]",
    "train.image_size=224",
    "train.greyscale=true",
    "train.pooling=gem",
    "evaluate.queries=all",  # the encoder saw no labels
    "tracking.uri=",
)


def run() -> list[Figure]:
    """Imports the archive with its ground truth and captions, runs the pipeline, and reads its metrics."""
    data = SHARED / "data/historical"
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.make(Path(folder) / "workspace")
        reference = ("--groundtruth", data / "groundtruth.xlsx", "--captions", data / "captions.csv")
        workspace.command("cbir", "import", data / "images", "--accession", "historical", *reference)
        shutil.copy(WEIGHTS, workspace.folder / "models/weights")
        workspace.run(*FROZEN)
        metrics = workspace.metrics()
    detail = f"{metrics['counts']['queries']} queries, {metrics['counts']['images']} images"
    return [
        Figure(f"historical photographs, frozen MobileNetV2: {name}", metrics[name], "", bar=0.99, detail=detail)
        for name in ("map@10", "micro_ap")
    ]
