"""Finds out from DVC's run cache why a stage cannot be restored.

The names used here that DVC does not document are why pyproject.toml pins its version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import lock_repo
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import load_yaml

from flows.repository.opening import open_repository
from tasks.harness.settings import GRAPH


@dataclass(frozen=True)
class _Run:
    """The inputs of a run: params by name, and the hashes of files by path."""

    params: dict[str, Any]
    files: dict[str, str]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "_Run":
        params = {name: value for values in entry.get("params", {}).values() for name, value in values.items()}
        return cls(params, {dep["path"]: str(dep.get("md5")) for dep in entry.get("deps", [])})


def differing_files(name: str, *, root: Path) -> list[str] | None:
    """Names the files of a stage that differ from the most similar run with the same params in DVC's run cache.

    Args:
        name: a stage whose input files all exist, because the stages before it are up to date.
        root: the workspace.

    Returns:
        Paths; an empty list if DVC remembers such a run but has lost its outputs; None if it remembers no such run.
    """
    with open_repository(root) as repo, lock_repo(repo):
        stage = repo.stage.load_one(str(root / GRAPH), name)
        stage.save_deps()
        now = _Run.of(to_single_stage_lockfile(stage))
        begins = f"cmd: {stage.cmd}\n"
        entries = [path for path in Path(repo.stage_cache.cache_dir).glob("*/*/*") if path.is_file()]
        runs = [
            _Run.of(load_yaml(str(path))) for path in entries if path.read_text(encoding="utf-8").startswith(begins)
        ]
    alike = [run for run in runs if run.params == now.params]
    return min((_differences(run.files, now.files) for run in alike), key=len, default=None)


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(path for path in {**before, **now} if before.get(path) != now.get(path))
