"""Settings from params.yaml, checked: the signature of a stage's function is the schema of its section."""

import copy
import inspect
import os
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from ruamel.yaml import YAML

from cbir.base.errors import UserError, nearest

Section = typing.TypeVar("Section")

PARAMS = Path("params.yaml")
GRAPH = Path("dvc.yaml")
RENAMED = {  # since 0.1
    "train.accessions": "groundtruth.accessions",
    "evaluate.threshold": "evaluate.threshold_rule",
    "evaluate.projection_images": "plots.projection_images",
}
TAKEN = "CBIR_DECISIONS_BYTES"  # so much of people's decisions a stage reads; they go on deciding while it runs
HERE = Path()  # the workspace that is the working directory
OUTPUTS = ("outs", "metrics", "plots")  # the kinds that dvc.yaml knows

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_BOUNDS = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}


@dataclass(frozen=True)
class Paths:
    """The section ``paths`` of params.yaml, relative to the workspace, which is the working directory."""

    raw: Path
    landing: Path
    reference: Path
    translations: Path
    weights: Path
    manifest: Path
    groundtruth: Path
    training: Path
    metadata: Path
    encoder: Path
    embeddings: Path
    index: Path
    neighbours: Path
    matches: Path
    groups: Path
    audits: Path
    decisions: Path
    reports: Path
    store: Path


def decisions_taken() -> int | None:
    """Returns how many bytes of people's decisions the run of this stage has taken; None: as many as there are."""
    size = os.environ.get(TAKEN)
    return None if size is None else int(size)


def read_yaml(path: Path) -> dict[str, Any]:
    """Returns a YAML file whose top is a mapping.

    Raises:
        UserError: there is no such file, or it is no such YAML.
    """
    try:
        values = copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(f"{path} is not in {Path.cwd()}: run this in the project's folder") from error
    except Exception as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold sections of settings, is {type(values).__name__}")
    return values


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """Parses YAML, each text once: a run asks for the same few files again and again."""
    return YAML(typ="safe").load(text)


def is_tracked(root: Path = HERE) -> bool:
    """Returns whether anything is to be recorded in MLflow."""
    return bool((read_yaml(root / PARAMS).get("tracking") or {}).get("uri"))


def load_paths(params: dict[str, Any]) -> Paths:
    """Returns the section ``paths``, checked."""
    values, wanted = params.get("paths") or {}, {field.name: str for field in fields(Paths)}
    check("paths", values, wanted)
    require("paths", values, wanted)
    return Paths(**{name: Path(value) for name, value in values.items()})


def load_section(section: str, kind: type[Section], params: Mapping[str, Any]) -> Section:
    """Returns a section of params.yaml as a data class, whose fields are its schema; raises UserError as `check`."""
    values, wanted = params.get(section) or {}, _hints(kind)
    check(section, values, wanted)
    require(section, values, wanted)
    return kind(**values)


def load_value(name: str, kind: Any, params: Mapping[str, Any]) -> Any:
    """Reads one value (``section.key``) of params.yaml, which another section's reader needs, checked as a section."""
    section, _, key = name.partition(".")
    values = params.get(section) or {}
    require(section, values, {key: kind})
    check(section, {key: values[key]}, {key: kind})
    return values[key]


def check(section: str, values: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compares values with the kinds that are expected by name; a value that is missing is no matter of this check.

    A kind is a type, or ``Annotated`` with its range, and with words that say why or how.

    Raises:
        UserError: a value that is unknown, with the nearest name, or that is not of its kind, with the rule.
    """
    for name, value in values.items():
        if name not in expected:
            hint = renamed(f"{section}.{name}") or nearest(name, expected)
            raise UserError(f"params.yaml: {section}.{name} is no parameter; {hint}")
        try:
            _adapter(expected[name]).validate_python(value)
        except ValidationError as error:
            words, bounds, why = _in_words(expected[name])
            out_of_range = error.errors()[0]["type"].startswith(("greater_than", "less_than", "finite"))
            rule = bounds if out_of_range and bounds else words
            raise UserError(f"params.yaml: {section}.{name} must be {rule}, is {value!r}{why}") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


def _in_words(kind: Any) -> tuple[str, str, str]:
    """Returns a kind of value: its type, its range and what is to say of it, each empty where there is none."""
    base, *notes = typing.get_args(kind) if typing.get_origin(kind) is Annotated else (kind,)
    if typing.get_origin(base) is typing.Literal:
        words = "one of " + ", ".join(str(value) for value in typing.get_args(base))
    else:
        words = _WORDS.get(base) or f"of type {str(base).replace('typing.', '')}"
    bounds = [f"{_BOUNDS[type(note)]} {astuple(note)[0]}" for note in notes if type(note) in _BOUNDS]
    return words, " and ".join(bounds), "".join(f": {note}" for note in notes if isinstance(note, str))


def renamed(name: str) -> str:
    """Words the hint for a name (``section.key``) that a parameter had in an earlier version; else empty."""
    return f"its name is {RENAMED[name]} now" if name in RENAMED else ""


def require(section: str, values: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raises UserError for the first value of a section that is expected and missing."""
    for name, kind in expected.items():
        if name not in values:
            words = " and ".join(filter(None, _in_words(kind)[:2]))
            before = [old for old, new in RENAMED.items() if new == f"{section}.{name}"]
            hint = f"; where {before[0]} stands, rename it" if before else ""
            raise UserError(f"params.yaml: {section}.{name} is missing; it must be {words}{hint}")


def arguments(function: Callable[..., None]) -> dict[str, Any]:
    """Returns the keyword arguments of a stage's function, from the sections and values that dvc.yaml names for it.

    The function's name is the stage's; its signature is the schema.
    """
    stage = function.__name__
    params = read_yaml(PARAMS)
    wanted = schema(function)
    values: dict[str, Any] = {}
    for reference in read_yaml(GRAPH)["stages"][stage].get("params", []):
        section, _, key = reference.partition(".")
        present = params.get(section) or {}
        chosen = {name: value for name, value in present.items() if key in ("", name)}
        check(section, chosen, wanted)
        values.update(chosen)
    require(stage, values, wanted)
    return {"paths": load_paths(params), **grouped(function, values)}


def schema(function: Callable[..., None]) -> dict[str, Any]:
    """Returns the params that a stage's function takes, with their types; in the place of a data class its fields."""
    kinds = [_hints(kind) if is_dataclass(kind) else {name: kind} for name, kind in _keywords(function).items()]
    return {name: kind for params in kinds for name, kind in params.items()}


def grouped(function: Callable[..., None], values: dict[str, Any]) -> dict[str, Any]:
    """Returns values of params as the keyword arguments of a stage's function: those of a data class become one."""
    keywords: dict[str, Any] = {}
    for name, kind in _keywords(function).items():
        if isinstance(kind, type) and is_dataclass(kind):
            keywords[name] = kind(**{field.name: values[field.name] for field in fields(kind)})
        else:
            keywords[name] = values[name]
    return keywords


def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _keywords(function: Callable[..., None]) -> dict[str, Any]:
    hints = _hints(function)
    return {n: hints[n] for n, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}


def dependencies(stage: str, root: Path = HERE) -> tuple[dict[str, Any], list[Path]]:
    """Reads a stage's dependencies from dvc.yaml: values of params.yaml by name, and files and folders."""
    params = read_yaml(root / PARAMS)
    described = read_yaml(root / GRAPH)["stages"][stage]
    values = {name: _value_of(name, params) for name in described.get("params", [])}
    return values, [_interpolated(path, params) for path in described.get("deps", [])]


def outputs(stage: str, root: Path = HERE) -> list[Path]:
    """Lists the files and folders that a stage writes, by dvc.yaml: outs, metrics and plots."""
    params = read_yaml(root / PARAMS)
    return [_interpolated(path, params) for path in written(read_yaml(root / GRAPH)["stages"][stage])]


def metrics_of(stage: str, root: Path = HERE) -> list[Path]:
    """Lists the files with all numbers of a stage: ``metrics.json``, and that with the stage's name."""
    return [path for path in outputs(stage, root) if path.name in ("metrics.json", f"{stage}.json")]


def written(described: Mapping[str, Any]) -> list[str]:
    """Returns the outputs of a stage as dvc.yaml describes it, as they stand there."""
    entries = [entry for kind in OUTPUTS for entry in described.get(kind, [])]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def _interpolated(path: str, params: dict[str, Any]) -> Path:
    return Path(re.sub(r"\$\{([^}]+)\}", lambda match: str(_value_of(match[1], params)), path))


def _value_of(name: str, params: dict[str, Any]) -> Any:
    value: Any = params
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
