"""Keeps a training's checkpoint, so that it goes on after it was killed."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

NAME = "last"  # of the checkpoint's file, without its ending

_CODE = [Path(__file__).parents[1] / name for name in ("encoders", "images", "reprints", "training")]
_LIBRARIES = (
    "torch",
    "timm",
    "torchvision",
    "open_clip_torch",
    "transformers",
    "peft",
    "lightly",
    "kornia",
    "pytorch-lightning",
    "numpy",
    "opencv-python-headless",
)


def checkpoint_path(folder: Path) -> Path:
    """Returns the checkpoint of a training that has this folder to itself."""
    return folder / f"{NAME}.ckpt"


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Returns the checkpoint in a folder, None where there is none; nothing but tensors and plain values is
    unpickled.
    """
    path = checkpoint_path(folder)
    return torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else None


def checkpoint_key(facts: Mapping[str, Any], *files: Path) -> str:
    """Returns 32 hex characters that change with everything that decides how a training goes.

    Args:
        facts: its parameters, plain values.
        files: what it reads; the bytes count, not the paths.

    Returns:
        A hash of those, of the code that a training runs, and of the versions of the libraries that compute.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    digest.update(json.dumps({name: version(name) for name in _LIBRARIES}).encode())
    for path in (*files, *sorted(path for folder in _CODE for path in folder.rglob("*.py"))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]
