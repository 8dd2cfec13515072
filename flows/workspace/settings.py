"""Reads the workspace (the folder with dvc.yaml and params.yaml), and changes its settings with the comments kept."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from cbir.base.errors import UserError, nearest
from cbir.base.files import writing
from flows.workspace.place import enter_workspace
from tasks.harness.settings import GRAPH, PARAMS, Paths, load_paths, read_yaml, renamed

SEVERAL = ("groundtruth.file", "groundtruth.metadata")  # texts that may also be a list of them
HELD = ("train",)  # stages that never run unless someone asks for it, or the schedule of `cbir retrain`


def require_workspace() -> Paths:
    """Makes the workspace the working directory, and returns its paths.

    Raises:
        UserError: this folder lies in no workspace, or in one that DVC does not know.
    """
    enter_workspace()
    if not Path(".dvc").exists():
        raise UserError(f"{Path.cwd()} has no .dvc in it, by which DVC knows its folder: run `dvc init` there")
    params = read_yaml(PARAMS)
    _require_sections(params)
    return load_paths(params)


def _require_sections(params: Mapping[str, Any]) -> None:
    """Raises UserError where params.yaml lacks a section that a stage reads, as after an upgrade of the code alone."""
    read = sections_read()
    if missing := sorted(read - params.keys()):
        raise UserError(
            f"params.yaml has no section {missing[0]}, which a stage of dvc.yaml reads; "
            "`cbir upgrade` adds it, and says what else it would change"
        )


def sections_read() -> set[str]:
    """Returns the sections of params.yaml that stages of dvc.yaml read."""
    stages = (read_yaml(GRAPH).get("stages") or {}).values()
    return {str(name).partition(".")[0] for stage in stages for name in stage.get("params", ())}


def is_empty(archive: Path) -> bool:
    """Returns whether no accession has been brought in yet."""
    return not archive.is_dir() or not any(entry.is_dir() for entry in archive.iterdir())


def set_params(
    assignments: Sequence[str],
    *,
    preset: Mapping[str, Any] | None = None,
    check: Callable[[Mapping[str, Any]], None] = lambda params: None,
    write: bool = True,
) -> list[str]:
    """Writes the values of a preset, then ``section.key=value`` assignments, to params.yaml; comments and order stay.

    The values of assignments are YAML. All are checked before any is written.

    Args:
        check: gets all settings as they will be, and raises where they will not do.
        write: False: only says what would change.

    Returns:
        A line for each value that changed.

    Raises:
        UserError: an assignment of another form, an unknown name, or a value of another kind than the present one.
    """
    text, changes = with_values(PARAMS.read_text(encoding="utf-8"), preset or {}, assignments)
    check(YAML(typ="safe").load(text))
    if changes and write:
        write_settings(text)
    return changes


def write_settings(text: str) -> None:
    """Puts a text, such as that before a change, in the place of params.yaml."""
    with writing(PARAMS) as temporary:
        temporary.write_text(text, encoding="utf-8")


def with_values(text: str, values: Mapping[str, Any], assignments: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Returns the text of params.yaml with other values, checked as in `set_params`, and a line a change."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    params = yaml.load(text)
    wanted = {name: _as_kind_of(present(name, params), value, str(value), name) for name, value in values.items()}
    wanted |= dict(_parse(assignment, params) for assignment in assignments)
    changes = []
    for name, value in wanted.items():
        section, _, key = name.partition(".")
        if params[section][key] != value:
            before, after = ("empty" if shown == "" else shown for shown in (params[section][key], value))
            changes.append(f"{name}: {before} → {after}")
            params[section][key] = _in_one_line(value)
            _move_comment(params[section], key)
    changed = io.StringIO()
    yaml.dump(params, changed)
    return (changed.getvalue() if changes else text), changes


def present(name: str, params: dict[str, Any]) -> Any:
    """Returns the value that a parameter has; raises UserError, with the nearest name, if there is none of this one."""
    values = _by_name(params)
    if name not in values:
        raise UserError(f"params.yaml has no {name}; {renamed(name) or nearest(name, values)}")
    return values[name]


def _by_name(params: dict[str, Any]) -> dict[str, Any]:
    sections = [(section, entries) for section, entries in params.items() if isinstance(entries, dict)]
    return {f"{section}.{key}": value for section, entries in sections for key, value in entries.items()}


def _parse(assignment: str, params: dict[str, Any]) -> tuple[str, Any]:
    name, equals, text = assignment.partition("=")
    name = name.strip()
    if not equals:
        raise UserError(f"{assignment!r} lacks its value; write section.key=value, such as train.epochs=5")
    if "." not in name:
        known = [f"{full}={text}" for full in _by_name(params) if full.endswith(f".{name}")]
        hint = f"did you mean {' or '.join(known)}?" if known else "write section.key=value, such as train.epochs=5"
        raise UserError(f"{assignment!r} lacks its section; {hint}")
    before = present(name, params)
    try:
        value = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise UserError(f"{name}: {text!r} is no YAML value; put quotes around a text") from error
    return name, _as_kind_of(before, value, text, name)


def _move_comment(section: CommentedMap, key: str) -> None:
    """Keeps the comment behind a value one space away, however long the value is; it would stay in its column."""
    comment = section.ca.items.get(key)
    if comment and comment[2]:
        comment[2].column = 0


def _in_one_line(value: Any) -> Any:
    """Lists and mappings as ``[…]`` and ``{…}``, so that a value keeps its line and its comment."""
    if isinstance(value, dict):
        inline: Any = CommentedMap({key: _in_one_line(item) for key, item in value.items()})
    elif isinstance(value, list):
        inline = CommentedSeq([_in_one_line(item) for item in value])
    else:
        return value
    inline.fa.set_flow_style()
    return inline


def _as_kind_of(before: Any, value: Any, text: str, name: str) -> Any:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"}
    if isinstance(before, str) and isinstance(value, list) and name in SEVERAL:
        return value
    if isinstance(before, str) or (name in SEVERAL and isinstance(value, str)):
        return text if not isinstance(value, str) else value
    for kind, words in kinds.items():
        if isinstance(before, kind):
            fits = type(value) in (int, float) if kind is float else isinstance(value, kind)
            if not fits or (kind is int and isinstance(value, bool)):
                raise UserError(f"{name} must be {words}, is {text!r}")
            return value
    return value
