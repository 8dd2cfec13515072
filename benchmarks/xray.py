"""The frozen ImageNet backbone on chest X-rays in class folders: retrieval of the same class, end to end."""

import shutil
import tempfile
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.historical import FROZEN, SHARED, WEIGHTS
from tests.support.workspace import Workspace


def run() -> list[Figure]:
    """Imports the X-rays, takes the folders for classes, runs the pipeline, and reads its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.make(Path(folder) / "workspace")
        workspace.command("cbir", "import", SHARED / "data/xray/images", "--accession", "xray")
        shutil.copy(WEIGHTS, workspace.folder / "models/weights")
        known = ("groundtruth.layout=folders", "groundtruth.file=''", "groundtruth.captions=''")
        workspace.run(*FROZEN, *known)
        metrics = workspace.metrics()
    detail = f"{metrics['counts']['queries']} queries, {metrics['counts']['images']} images"
    return [
        Figure(f"chest X-rays by class, frozen MobileNetV2: {name}", metrics[name], "", detail=detail)
        for name in ("map@10", "precision@5")
    ]
