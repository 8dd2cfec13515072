"""Questions to the model registry."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cbir.errors import UserError
from cbir.promotion import Decision
from flows.recorder import RecorderError, recorder
from tasks.settings import is_tracked


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
    found = json.loads(_ask("describe", number=number))
    values = {f"{section}.{key}": value for section in ("images", "train") for key, value in found[section].items()}
    return Version(found["version"], found["digest"], values)


def note_decision(root: Path, decision: Decision) -> int | None:
    """Put a decision and its numbers on the version of the encoder of a workspace, as tags.

    Returns:
        The version; None where nothing is tracked, so that there are no versions.

    Raises:
        UserError: the registry cannot be reached.
    """
    if not is_tracked():
        return None
    return int(_ask("decide", root=str(root.absolute()), decision=asdict(decision)))


def sync(run: str, reports: Sequence[str]) -> str:
    """Have the alias follow the encoder on disk, and an MLflow run keep files; a sentence, empty where all was right.

    Args:
        run: key of the pipeline run that the files belong to.

    Raises:
        UserError: the registry cannot be reached.
    """
    return _ask("sync", run=run, reports=list(reports)) if is_tracked() else ""


def _ask(command: str, **arguments: Any) -> str:
    try:
        return recorder().ask({"registry": {"command": command, **arguments}}).result()
    except RecorderError as error:
        raise UserError(f"the model registry did not answer: {error}") from error
