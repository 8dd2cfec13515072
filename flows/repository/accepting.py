"""Decides which results an upgrade keeps: those of stages whose version, settings and files are as they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.workspace.graph import is_archive
from tasks.harness.settings import GRAPH, PARAMS, dependencies, outputs, read_yaml
from tasks.harness.versions import version_in

CODE = ("cbir/", "tasks/")  # begin the dependencies on code that a clone has
SINCE_0_1 = ("train", "embed", "index", "robustness")  # write what those of 0.1 wrote; 0.1 had no stage match


@dataclass(frozen=True)
class Kept:
    """The entries of dvc.lock after an upgrade, and the reason for each stage that runs again."""

    entries: dict[str, Any]
    stale: dict[str, str]


def keep_results(entries: Mapping[str, Any], draft: Path, *, made_by: Mapping[str, int]) -> Kept:
    """Compares what dvc.lock records of each stage with dvc.yaml and params.yaml as an upgrade would write them.

    Args:
        draft: a folder with the two files.
        made_by: versions of the results of a clone, whose commands name none.
    """
    kept = dict(entries)
    stale: dict[str, str] = {}
    stages = read_yaml(draft / GRAPH)["stages"]
    written = {name: {path.as_posix() for path in outputs(name, draft)} for name in stages}
    for name, described in stages.items():
        values, paths = dependencies(name, draft)
        read = {path.as_posix() for path in paths}
        before = [other for other in stale if written[other] & read or _lies_in(read, written[other])]
        entry = entries.get(name)
        reason = _reason(entry, name, described, values, read, written[name], made_by)
        if reason or before:
            stale[name] = reason or f"after {', '.join(before)}"
        if entry and not reason:
            data = [dep for dep in entry["deps"] if not dep["path"].startswith(CODE)]
            kept[name] = {**entry, "cmd": described["cmd"], "deps": data, "params": {str(PARAMS): values}}
    return Kept({name: entry for name, entry in kept.items() if name in stages}, stale)


def _lies_in(paths: set[str], folders: set[str]) -> bool:
    return any(path.startswith(f"{folder}/") for path in paths for folder in folders)


def _reason(
    entry: Mapping[str, Any] | None,
    name: str,
    described: Mapping[str, Any],
    values: Mapping[str, Any],
    read: set[str],
    written: set[str],
    made_by: Mapping[str, int],
) -> str:
    if entry is None:
        return "it never ran here"
    before, now = version_in(entry["cmd"]) or made_by.get(name), version_in(described["cmd"])
    if before != now:
        return f"version {before or 'unknown'} → {now}"
    if changed := _differing(entry.get("params", {}).get(str(PARAMS), {}), values):
        return f"{', '.join(changed)} differs from its last run"
    data = {dep["path"] for dep in entry["deps"] if not dep["path"].startswith(CODE)}
    if data != read or {out["path"] for out in entry["outs"]} != written:
        return "it reads or writes other files now"
    return ""


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names the settings that both have with other values, and what was not recorded at all; new ones do not count."""
    names = []
    for name, value in now.items():
        recorded = before.get(name)
        if isinstance(value, dict) and isinstance(recorded, dict):
            names += [f"{name}.{key}" for key in value.keys() & recorded.keys() if value[key] != recorded[key]]
        elif value != recorded:
            names.append(name)
    return sorted(names)


def versions_made_by(root: Path, entries: Mapping[str, Any], versions: Mapping[str, int]) -> dict[str, int]:
    """Returns the versions of the results of a clone: those of its code, or 1 where that knows no versions yet."""
    if is_archive(root):
        return {}
    known = root / "tasks/versions.yaml"
    made = read_yaml(known) if known.exists() else dict.fromkeys(versions, 1)
    return made if "match" in entries else {name: made[name] for name in SINCE_0_1}
