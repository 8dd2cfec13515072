"""Finds out from DVC's run cache why a stage cannot be restored.

The names used here that DVC does not document are why pyproject.toml pins its version.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.repo import lock_repo
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import load_yaml

from flows.repository.opening import open_repository
from tasks.harness.settings import GRAPH


def differing_files(name: str, *, root: Path) -> list[str] | None:
    """Names the files of a stage that differ from the most similar run with the same params in DVC's run cache.

    None differs if DVC remembers such a run but has lost its outputs; the result is None if it remembers no such run.
    All input files of the stage have to exist, as they do if the stages before it are up to date.
    """
    with open_repository(root) as repo, lock_repo(repo):
        stage = repo.stage.load_one(str(root / GRAPH), name)
        stage.save_deps()
        now = to_single_stage_lockfile(stage)
        entries = [path for path in Path(repo.stage_cache.cache_dir).glob("*/*/*") if path.is_file()]
        runs = [load_yaml(str(path)) for path in entries if path.read_text("utf-8").startswith(f"cmd: {stage.cmd}\n")]
    alike = [run for run in runs if run.get("params") == now.get("params")]
    return min((_differences(run, now) for run in alike), key=len, default=None)


def _differences(run: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    before, now = ({dep["path"]: dep.get("md5") for dep in entry.get("deps", [])} for entry in (run, other))
    return sorted(path for path in {**before, **now} if before.get(path) != now.get(path))
