"""Questions to the model registry, each answered by a process of its own: MLflow takes seconds to load."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cbir.errors import UserError
from cbir.promotion import Decision
from tasks.settings import PARAMS, read_yaml
from tasks.stage import USER_ERROR


@dataclass(frozen=True)
class Version:
    """A registered encoder: number, digest, and the settings that made it by name (``section.key``)."""

    number: int
    digest: str
    values: dict[str, Any]


def describe(number: str) -> Version:
    """A version, or with ``previous`` the one that the encoder in service took the place of.

    Raises:
        UserError: there is none, or it cannot be made again.
    """
    found = json.loads(_ask("describe", number))
    values = {f"{section}.{key}": value for section in ("images", "train") for key, value in found[section].items()}
    return Version(found["version"], found["digest"], values)


def note_decision(root: Path, decision: Decision) -> int | None:
    """Put a decision and its numbers on the version of the encoder of a workspace, as tags.

    Returns:
        The version; None where nothing is tracked, so that there are no versions.

    Raises:
        UserError: the registry cannot be reached.
    """
    if not (read_yaml(PARAMS).get("tracking") or {}).get("uri"):
        return None
    return int(_ask("decide", str(root), json.dumps(asdict(decision))))


def _ask(*words: str) -> str:
    command = [sys.executable, "-m", "tasks.registry", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(reason if done.returncode == USER_ERROR else f"the model registry did not answer: {reason}")
    return done.stdout.strip()
