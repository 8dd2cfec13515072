"""Reads presets: published systems as settings, each only what differs from presets/default.yaml.

A preset means the same whatever was selected before it: every setting that some preset names stands in default.yaml
too, goes back to that value first, and then takes the preset's. Settings that default.yaml does not name are the
user's own.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cbir.base.errors import UserError, nearest
from flows.workspace.graph import is_archive, versioned
from flows.workspace.home import TEMPLATE
from flows.workspace.settings import present
from tasks.harness.settings import PARAMS, read_yaml

FOLDER = Path("presets")  # of a workspace, for presets of its own
QUICK = "quick/rules.yaml"
DEFAULT = "default"
ENTRIES = ("description", "published", "params", "quick", "stage")
# Sections on places, the archive and its operation, which are no matter of a method.
ARCHIVE, OPERATION = ("paths", "images", "clean"), ("tracking", "landing", "arrivals", "schedule", "promotion")
FIXED = (*ARCHIVE, *OPERATION, "version", "notify", "shards")
PLAIN = re.compile(r"(?!(?:true|false|null|nan|inf)$)[A-Za-z][\w/.-]*", re.IGNORECASE)
Values = dict[str, Any]  # by name: section.key


@dataclass(frozen=True)
class Preset:
    """A published system.

    Attributes:
        params: values by name (``section.key``), only what differs from the default.
        published: metrics as its own report gives them, by their names in metrics.json.
        quick: values that `--quick` takes beside its rules.
        graph: stages, as dvc.yaml has them, in place of those that write the same files; such a preset is for studies.
    """

    name: str
    description: str
    params: Values
    published: dict[str, float]
    quick: Values
    graph: dict[str, Any] = field(default_factory=dict)


def preset_names() -> list[str]:
    """Returns the names of all presets, the default first."""
    return sorted(_files("*.yaml"), key=lambda name: (name != DEFAULT, name))


def described() -> dict[str, str]:
    """Returns the description of each preset by its name, also of one whose settings this workspace does not have."""
    files = _files("*.yaml")
    return {name: _line(read_yaml(files[name]).get("description"), files[name]) for name in preset_names()}


def names_of_study() -> list[str]:
    """Returns the names of the presets that a study compares where it is told none: the workspace's own, or all."""
    own = {path.stem for path in FOLDER.glob("*.yaml")}
    names = [name for name in preset_names() if name != DEFAULT]
    return [name for name in names if name in own] or names


def _files(pattern: str) -> dict[str, Path]:
    """Returns the files of the program and of the workspace by their names; the workspace's stand for the same name."""
    folders = (TEMPLATE / FOLDER, FOLDER)
    return {path.stem: path for folder in folders for path in sorted(folder.glob(pattern))}


def load_preset(name: str) -> Preset:
    """Returns a preset; raises UserError if there is none of this name, or its file is not valid."""
    names = preset_names()
    if name not in names:
        raise UserError(f"there is no preset {name!r} in {FOLDER}; {nearest(name, names)}")
    path = _files("*.yaml")[name]
    entries = read_yaml(path)
    if unknown := [entry for entry in entries if entry not in ENTRIES]:
        raise UserError(f"{path}: {unknown[0]} is no part of a preset; its parts are {', '.join(ENTRIES)}")
    return Preset(
        name=name,
        description=_line(entries.get("description"), path),
        params=_flat(entries.get("params"), f"{path}: params"),
        published=_numbers(entries.get("published"), f"{path}: published"),
        quick=_flat(entries.get("quick"), f"{path}: quick"),
        graph=_stages(entries.get("stage"), path),
    )


def _line(text: Any, preset: Path) -> str:
    if not isinstance(text, str) or len(text.strip().splitlines()) != 1:
        raise UserError(f"{preset}: description must be a line of text, is {text!r}")
    return text.strip()


def _stages(name: Any, preset: Path) -> dict[str, Any]:
    files = _files("stages/*.yaml")
    if name is not None and name not in files:
        raise UserError(f"{preset}: stage {name!r} is not in {FOLDER}/stages, which has {', '.join(files) or 'none'}")
    if name is None:
        return {}
    stages = read_yaml(files[name])["stages"]
    return versioned(stages) if is_archive() else stages


def _flat(sections: Any, where: str) -> Values:
    """Values by section and key as values by ``section.key``, each a parameter that a preset may change."""
    sections = {} if sections is None else sections
    if not isinstance(sections, dict) or not all(isinstance(values, dict) for values in sections.values()):
        raise UserError(f"{where} must hold sections of settings as params.yaml does, is {sections!r}")
    params = read_yaml(PARAMS)
    flat = {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
    for name in flat:
        if name.partition(".")[0] in FIXED:
            raise UserError(f"{where}: {name} is not for a preset to change; it may change none of {', '.join(FIXED)}")
        try:
            present(name, params)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    return flat


def _numbers(values: Any, where: str) -> dict[str, float]:
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(type(value) in (int, float) for value in values.values()):
        raise UserError(f"{where} must hold numbers by the names of metrics, is {values!r}")
    return {str(name): float(value) for name, value in values.items()}


def preset_values(preset: Preset) -> Values:
    """Returns all values that selecting a preset sets: the default's, and in their place its own.

    Raises:
        UserError: it changes what default.yaml does not name, and no other preset could take back.
    """
    default = load_preset(DEFAULT).params
    if unknown := [name for name in preset.params if name not in default]:
        raise UserError(
            f"{FOLDER}/{preset.name}.yaml: {unknown[0]} is not in {FOLDER}/{DEFAULT}.yaml; "
            "add it there with its default, so that the next preset can take it back"
        )
    return {**default, **preset.params}


def quick_values(preset: Preset) -> Values:
    """Returns the values of `--quick`: by the rules for all and for the preset's kind of backbone, and its own."""
    rules = read_yaml(_files(QUICK)["rules"])
    backbone = preset_values(preset)["train.backbone"]
    kinds = [pattern for pattern in rules.get("backbones", {}) if fnmatchcase(backbone, pattern)]
    if not kinds:
        raise UserError(f"{QUICK}: no pattern under backbones fits {backbone!r}, the backbone of {preset.name}")
    kind = _flat(rules["backbones"][kinds[0]], f"{QUICK}: {kinds[0]}")
    return {**_flat(rules.get("all"), f"{QUICK}: all"), **kind, **preset.quick}


def experiment_command(values: Mapping[str, Any]) -> str:
    """Returns the `dvc exp run` command, quoted for the shell, that runs the pipeline with these values.

    A mapping is taken away first: Hydra, which DVC reads the values with, would only merge the new one into it.
    """
    words = []
    for name, value in values.items():
        if isinstance(value, dict):
            words += [f"~{name}", f"+{name}={_hydra(value)}"]
        else:
            words.append(f"{name}={_hydra(value)}")
    return " ".join(["dvc exp run", *(f"-S {shlex.quote(word)}" for word in words)])


def _hydra(value: Any) -> str:
    """Writes a value in Hydra's grammar of overrides."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra, value)) + "]"
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return "'" + value.replace("'", "\\'") + "'"
    return str(value)


def encoder_values(name: str) -> dict[str, Any]:
    """Returns the values of a preset by name; raises UserError for a baseline, which only studies measure."""
    chosen = load_preset(name)
    if chosen.graph:
        raise UserError(f"{name} is a baseline that studies measure; it trains no encoder: run `cbir study {name}`")
    return preset_values(chosen)
