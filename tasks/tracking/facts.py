"""Gathers the facts of a stage that ran: the data and the encoder that it works with, and its numbers by name."""

import json
import math
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cbir.archive.manifest import accessions_of
from cbir.encoders.files import encoder_digest
from cbir.evaluation.quality import LEADING
from tasks.harness.settings import GRAPH, HERE, PARAMS, Paths, dependencies, metrics_of, outputs, read_yaml


@dataclass(frozen=True)
class Data:
    """A file or folder that DVC tracks: its path in the workspace, its hash, and its size where that is known."""

    path: str
    md5: str
    size: int | None = None
    files: int | None = None


@dataclass(frozen=True)
class Ran:
    """A stage that ran: its name, and how long it took.

    ``data`` is what it read (None: as DVC has it now), and ``failed`` the sentence that says why it failed.
    """

    name: str
    seconds: float
    data: tuple[Data, ...] | None = None
    failed: str | None = None


def data_read(stage: str, root: Path = HERE) -> list[Data]:
    """Lists the data that a stage reads, imported or made by other stages, as recorded in .dvc files and dvc.lock.

    The stage's own entry in dvc.lock is left out: DVC writes it when the stage has ended.
    """
    _, read = dependencies(stage, root)
    lock = root / "dvc.lock"
    locked = read_yaml(lock) if lock.exists() else {}
    entries: dict[Path, dict[str, Any]] = {}
    for other, described in locked.get("stages", {}).items():
        if other != stage:
            entries |= {Path(out["path"]): out for out in described.get("outs", [])}
    for file in [file for path in read for file in (root / f"{path}.dvc", *sorted((root / path).glob("*.dvc")))]:
        if file.is_file():
            folder = file.parent.relative_to(root)
            entries |= {folder / out["path"]: out for out in read_yaml(file)["outs"]}
    return [
        Data(path.as_posix(), out["md5"], out.get("size"), out.get("nfiles"))
        for path, out in sorted(entries.items())
        if "md5" in out and _share_files([path], read)
    ]


def _share_files(paths: Iterable[Path], others: Iterable[Path]) -> bool:
    """Tells whether a path on either side is, or lies in, a path on the other."""
    return any(path.is_relative_to(other) or other.is_relative_to(path) for path in paths for other in others)


def code_tags() -> dict[str, str]:
    """Returns MLflow's tags for the program, the commit that is checked out, its branch, and files that differ from it.

    Without git or a commit it is the program alone. dvc.lock counts as no difference: it changes whenever a stage ran.
    """
    sha = _git("rev-parse", "HEAD")
    program = {"cbir.version": version("cbir")}
    if not sha:
        return program
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude,glob)**/dvc.lock")
    return {
        **program,
        "mlflow.source.git.commit": sha,
        "mlflow.source.git.branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "changed_since_commit": ", ".join(line[3:] for line in changed.splitlines()) or "nothing",
    }


def encoder_tags(params: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags by which people look for runs: method, backbone, weights, and the accessions trained on; none
    where the graph trains nothing.
    """
    try:
        train, accessions = params["train"], params["groundtruth"]["accessions"]
    except KeyError:
        return {}
    named = {name: str(train[name]) for name in ("method", "backbone", "weights")}
    return named | {"accessions": ", ".join(accessions) or "all"}


def run_name(command: str, params: Mapping[str, Any]) -> str:
    """Names a run by its command and its encoder, such as ``cbir run: simclr timm/resnet50``."""
    tags = encoder_tags(params)
    if not tags:
        return command
    way = f"{tags['weights']} weights," if tags["method"] == "none" else tags["method"]
    return f"{command}: {way} {tags['backbone']}"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.rstrip()


def history(path: Path) -> list[tuple[str, float, int]]:
    """Lists name (``val/loss``), value and epoch of each number in an encoder's history.parquet."""
    values: list[tuple[str, float, int]] = []
    for row in pq.read_table(path).to_pylist():
        epoch, split = row.pop("epoch"), row.pop("split")
        values += [(f"{split}/{name}", float(value), epoch) for name, value in row.items() if _is_number(value)]
    return values


def metrics_files(stage: str) -> list[Path]:
    """Lists the files with the numbers of a stage and of those that it reads from, if they exist.

    With the latter, a run that only groups again can still be compared with others.
    """
    read = dependencies(stage)[1]
    others = [name for name in read_yaml(GRAPH)["stages"] if name != stage and _share_files(outputs(name), read)]
    files = [file for name in (stage, *others) for file in metrics_of(name)]
    return [file for file in files if file.exists()]


def numbers(path: Path) -> dict[str, float]:
    """Reads the numbers of a metrics file by which runs are compared, by the names that MLflow takes; null is left out.

    The names have no slash: MLflow's charts would begin with the groups that slashes make.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    names = LEADING.get(path.name, {}).items()
    return {metric_name(name): float(document[key]) for key, name in names if _is_number(document.get(key))}


def stage_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the sections of params.yaml that a stage of dvc.yaml reads, in which results can differ."""
    read = [name for described in read_yaml(GRAPH)["stages"].values() for name in described.get("params", [])]
    sections = {name.partition(".")[0] for name in read}
    return {name: values for name, values in params.items() if name in sections}


def encoder_used(stage: str, paths: Paths) -> str | None:
    """Reads the digest of the encoder that a stage works with, itself or by its embeddings; None: it needs none."""
    touched = [*dependencies(stage)[1], *outputs(stage)]
    if _share_files([paths.embeddings], touched):
        schema = pq.read_schema(min(paths.embeddings.glob("part-*.parquet")))
        return schema.metadata[b"encoder_digest"].decode("ascii")
    return encoder_digest(paths.encoder) if _share_files([paths.encoder], touched) else None


def trained_on(paths: Paths) -> list[str]:
    """Reads the accessions of the training images: ``groundtruth.accessions``, or all if it is empty."""
    named = read_yaml(PARAMS)["groundtruth"]["accessions"]
    return named or accessions_of(pq.read_table(paths.manifest, columns=["path"])["path"].to_pylist())


def metric_name(name: str) -> str:
    """Turns ``map@10`` into ``map_at_10``: MLflow takes only letters, digits and ``_-. /``."""
    return re.sub(r"[^\w\-. /]", "_", name.replace("@", "_at_"))


def flatten(values: dict[str, Any], *, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields joined name and value of nested mappings; an empty mapping is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def without_credentials(text: str) -> str:
    """Removes user and password from each address in a text."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
