"""Questions to the model registry, each answered by a process of its own: MLflow takes seconds to load."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

from cbir.errors import UserError
from cbir.promotion import Decision


@dataclass(frozen=True)
class Version:
    """A registered encoder: number, digest, the settings that made it by name (``section.key``), and its accessions.

    ``train.accessions`` may be empty in the settings: that meant all accessions that there were then. None where it has
    learned from no image.
    """

    number: int
    digest: str
    values: dict[str, Any]
    accessions: list[str] | None


def describe(number: str) -> Version:
    """A version, or with ``previous`` the one that the encoder in service took the place of.

    Raises:
        UserError: there is none, or it cannot be made again.
    """
    found = json.loads(_ask("describe", number))
    values = {f"{section}.{key}": value for section in ("images", "train") for key, value in found[section].items()}
    return Version(found["version"], found["digest"], values, found["accessions"])


def note_decision(digest: str, decision: Decision) -> int:
    """Put a decision and its numbers on the version of an encoder, as tags; returns the version."""
    return int(_ask("decide", digest, json.dumps(asdict(decision))))


def _ask(*words: str) -> str:
    command = [sys.executable, "-m", "tasks.registry", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise UserError(f"the model registry did not answer: {lines[-1]}")
    return done.stdout.strip()
