"""The real pipeline on a small sample archive: what tests of it do to a workspace, and what they ask of it."""

import hashlib
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest
from ruamel.yaml import YAML

from tests.support.workspace import Workspace

SMALL = (
    "train.method=simclr",
    "train.weights=none",
    "train.backbone=timm/test_resnet",
    "train.image_size=32",
    "train.epochs=2",
    "train.batch_size=16",
    "train.learning_rate=0.3",
    "index.k=12",
    "evaluate.bootstrap=50",
    "plots.projection_images=4",  # too few to lay out: t-SNE and UMAP take longer than all else
    "robustness.images=2",
    "match.closer=0",  # its networks take seconds to load
    "landing.settle=0.5",
    "groundtruth.captions=",  # telling their languages takes seconds
)


def make(folder: Path, environment: dict[str, str]) -> None:
    """Make a workspace with the sample archive after its first run, committed; its encoder was trained badly."""
    workspace = Workspace.make(folder, environment)
    workspace.command("cbir", "sample", "--scenes", "12")
    workspace.run(*SMALL)
    workspace.commit("first run")


def copy(workspace: Workspace, folder: Path) -> Workspace:
    """The same in another folder, to be changed at will."""
    shutil.copytree(workspace.folder, folder, symlinks=True)
    return Workspace(folder, workspace.environment)


def assign(workspace: Workspace, *settings: str) -> None:
    """Edit params.yaml and run nothing."""
    program = "import sys; from flows.workspace.settings import set_params; set_params(sys.argv[1:])"
    workspace.command("python", "-c", program, *settings)


def params(workspace: Workspace) -> dict[str, Any]:
    return YAML(typ="safe").load(workspace.folder / "params.yaml")


def land(workspace: Workspace, *, seed: int = 0) -> Counter[str]:
    """Put a blurred picture of the archive, an exact copy, a broken file and a note down; the hashes of the images."""
    folder = workspace.folder / "data/landing/box 7"
    folder.mkdir(parents=True, exist_ok=True)
    originals = sorted((workspace.folder / "data/raw").rglob("*.jpg"))
    original = next(path for path in originals if cv2.imread(str(path)) is not None)
    blurred = cv2.GaussianBlur(cv2.imread(str(original)), (0, 0), 0.7 + seed / 50)
    cv2.imwrite(str(folder / f"blurred é {seed}.jpg"), blurred)
    shutil.copy(original, folder / f"copy {seed}.jpg")
    (folder / f"broken {seed}.jpg").write_bytes(b"no image %d" % seed)
    (folder / "notes.txt").write_text("left")
    return Counter(map(digest, folder.glob(f"* {seed}.jpg")))


def brought_in(workspace: Workspace) -> Counter[str]:
    """The hashes of all files that are in landed accessions or still in the landing folder."""
    raw, landing = workspace.folder / "data/raw", workspace.folder / "data/landing"
    folders = [path for path in raw.iterdir() if path.is_dir() and path.name.lstrip(".").startswith("20")]
    return Counter(digest(path) for folder in (*folders, landing) for path in folder.rglob("*.jpg"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def encoder(workspace: Workspace) -> str:
    """Returns the digest of the encoder on disk."""
    return digest(workspace.folder / "models/encoder/model.safetensors")


def registered(workspace: Workspace) -> tuple[str, dict[str, dict[str, str]]]:
    """The version that the alias names, and the tags of each version."""
    with sqlite3.connect(workspace.folder / "mlflow.db") as database:
        ((champion,),) = database.execute("SELECT version FROM registered_model_aliases WHERE alias = 'champion'")
        tags: dict[str, dict[str, str]] = {
            str(version): {} for (version,) in database.execute("SELECT version FROM model_versions")
        }
        for version, key, value in database.execute("SELECT version, key, value FROM model_version_tags"):
            tags[str(version)][key] = value
    return str(champion), tags


def tracked_runs(workspace: Workspace) -> list[tuple[str, str]]:
    """The runs that MLflow knows: id and status of each."""
    with sqlite3.connect(workspace.folder / "mlflow.db") as database:
        return database.execute("SELECT run_uuid, status FROM runs").fetchall()


def is_clean(workspace: Workspace) -> bool:
    """Whether `dvc status` finds nothing to do."""
    return workspace.command("dvc", "status", "--quiet", check=False).returncode == 0


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk in memory, to be filled; skips where this process may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "cbir-test", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Fill a disk but for some bytes; the file that has to go to make room again."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - left)))
    return ballast


def start(workspace: Workspace, *words: str) -> "subprocess.Popen[bytes]":
    """Start a command of the project; nobody reads what it says."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(
        ["cbir", *words], cwd=workspace.folder, env=workspace.environment, start_new_session=True, **quiet
    )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command by SIGKILL; what it started sees that its parent is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)


def kill_after(workspace: Workspace, seconds: float, *words: str) -> None:
    """Start a command and kill it after some seconds, if it has not ended by then."""
    process = start(workspace, *words)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill(process)
