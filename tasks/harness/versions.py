"""Compares the version of a stage that dvc.yaml asks for with the one that this program has.

The version in a stage's command stands for its code where a workspace has none; `tasks/versions.yaml` lists them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cbir.base.errors import UserError
from tasks.harness.settings import read_yaml

OPTION = "--stage-version="
_FILE = Path(__file__).parents[1] / "versions.yaml"


def stage_versions() -> dict[str, int]:
    """Reads the version of each stage of this program."""
    return read_yaml(_FILE)


def version_in(command: str | Sequence[str]) -> int | None:
    """Reads the version in a stage's command; None where it names none, because the code stands for it."""
    words = command.split() if isinstance(command, str) else command
    named = [word.removeprefix(OPTION) for word in words if word.startswith(OPTION)]
    return int(named[0]) if named and named[0].isdigit() else None


def require_version(stage: str, command: Sequence[str], versions: Mapping[str, int]) -> None:
    """Raises UserError where a stage's command asks for another version than this program's: results would be mixed."""
    asked = version_in(command)
    if asked is not None and asked != versions[stage]:
        way = "run `cbir run`, which follows the program" if asked < versions[stage] else "install the newer cbir"
        raise UserError(f"dvc.yaml asks for version {asked} of {stage}, and this cbir has {versions[stage]}: {way}")
