"""The workspace: the folder with dvc.yaml and params.yaml, and settings changed in it with the comments kept."""

import difflib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cbir.errors import UserError
from cbir.files import writing
from tasks.settings import PARAMS, Paths, load_paths, read_yaml


def require_workspace() -> Paths:
    """The paths of the workspace, which is the working directory.

    Raises:
        UserError: the working directory is no workspace.
    """
    for name in ("dvc.yaml", "params.yaml", ".dvc"):
        if not Path(name).exists():
            raise UserError(f"{Path.cwd()} is no workspace, {name} is missing: run cbir in the project's folder")
    return load_paths(read_yaml(PARAMS))


def is_empty(archive: Path) -> bool:
    """Whether no accession has been brought in yet."""
    return not archive.is_dir() or not any(entry.is_dir() for entry in archive.iterdir())


def set_params(assignments: Sequence[str]) -> list[str]:
    """Write ``section.key=value`` assignments to params.yaml; comments and order stay.

    Values are YAML. All are checked before any is written.

    Returns:
        A line for each value that changed.

    Raises:
        UserError: an assignment of another form, an unknown name, or a value of another kind than the present one.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    params = yaml.load(PARAMS)
    changes = []
    for assignment in assignments:
        section, key, value = _parse(assignment, params)
        if params[section][key] != value:
            before, after = ("empty" if one == "" else one for one in (params[section][key], value))
            changes.append(f"{section}.{key}: {before} → {after}")
            params[section][key] = value
    if changes:
        text = io.StringIO()
        yaml.dump(params, text)
        with writing(PARAMS) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    return changes


def _parse(assignment: str, params: dict[str, Any]) -> tuple[str, str, Any]:
    name, equals, text = assignment.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot):
        raise UserError(f"{assignment!r} is no setting: write section.key=value, such as train.epochs=5")
    names = [f"{one}.{other}" for one, values in params.items() if isinstance(values, dict) for other in values]
    if f"{section}.{key}" not in names:
        near = difflib.get_close_matches(f"{section}.{key}", names, n=1)
        raise UserError(
            f"{section}.{key} is no parameter of params.yaml" + (f"; did you mean {near[0]}?" if near else "")
        )
    try:
        value = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise UserError(f"{section}.{key}: {text!r} is no YAML value; put quotes around a text") from error
    return section, key, _as_kind_of(params[section][key], value, text, f"{section}.{key}")


def _as_kind_of(present: Any, value: Any, text: str, name: str) -> Any:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"}
    if isinstance(present, str):
        return text if not isinstance(value, str) else value
    for kind, words in kinds.items():
        if isinstance(present, kind):
            fits = type(value) in (int, float) if kind is float else isinstance(value, kind)
            if not fits or (kind is int and isinstance(value, bool)):
                raise UserError(f"{name} must be {words}, is {text!r}")
            return value
    return value
