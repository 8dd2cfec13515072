"""A workspace whose encoder can be beaten, and what the disk and the registry say of encoders."""

import hashlib
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.workspace import Workspace

SYNC = ("python", "-m", "tasks.registry", "sync")
BAD, GOOD = "train.learning_rate=0.3", "train.learning_rate=0.003"
SMALL = (
    "train.backbone=timm/test_resnet",
    "train.image_size=32",
    "train.epochs=2",
    "train.batch_size=16",
    "index.k=12",
    "evaluate.bootstrap=50",
    "evaluate.projection_images=10",
    "robustness.images=2",
)


def make_workspace(folder: Path, environment: dict[str, str]) -> Workspace:
    """A workspace with the sample archive and an encoder that was trained badly, in service and registered."""
    workspace = Workspace.make(folder, environment)
    workspace.command("cbir", "sample", "--scenes", "12")
    workspace.run(*SMALL, BAD)
    workspace.command("cbir", "refresh")
    workspace.command(*SYNC)
    workspace.commit("first encoder")
    return workspace


def encoder(workspace: Workspace) -> str:
    """What the encoder on disk is known by."""
    return hashlib.sha256((workspace.folder / "models/encoder/model.safetensors").read_bytes()).hexdigest()


def params(workspace: Workspace) -> dict[str, Any]:
    return YAML(typ="safe").load(workspace.folder / "params.yaml")


def assign(workspace: Workspace, *settings: str) -> None:
    """Edit params.yaml and run nothing."""
    program = "import sys; from flows.workspace import set_params; set_params(sys.argv[1:])"
    workspace.command("python", "-c", program, *settings)


def registered(workspace: Workspace) -> tuple[str, dict[str, dict[str, str]]]:
    """The version that the alias names, and the tags of each version."""
    with sqlite3.connect(workspace.folder / "mlflow.db") as database:
        ((champion,),) = database.execute("SELECT version FROM registered_model_aliases WHERE alias = 'champion'")
        versions = {str(number): {} for (number,) in database.execute("SELECT version FROM model_versions")}
        for version, key, value in database.execute("SELECT version, key, value FROM model_version_tags"):
            versions[str(version)][key] = value
    return str(champion), versions


def is_clean(workspace: Workspace) -> bool:
    """Whether `dvc status` finds nothing to do."""
    return workspace.command("dvc", "status", "--quiet", check=False).returncode == 0


def kill_after(workspace: Workspace, seconds: float, *words: str) -> None:
    """Start a command and kill it by SIGKILL after some seconds, if it has not ended by then."""
    process = subprocess.Popen(
        ["cbir", *words], cwd=workspace.folder, env=workspace.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(1)  # the stage's process sees that its parent is gone
