"""Settings of a training for tests: those of params.yaml, but for what a test names."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from cbir.training.settings import Settings
from tasks.harness.settings import read_yaml

_SHIPPED = read_yaml(Path(__file__).parents[2] / "params.yaml")["train"]


def train_settings(**changes: Any) -> Settings:
    """Settings as they are shipped, with other values by name."""
    return Settings(**{field.name: _SHIPPED[field.name] for field in fields(Settings)} | changes)
