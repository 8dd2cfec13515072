"""Checks all settings, by themselves and across, before any is written, a flow starts or an output is removed."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from annotated_types import Ge, Gt, Le, Lt

from cbir.base.errors import UserError, nearest
from flows.workspace.home import TEMPLATE
from flows.workspace.settings import sections_read, with_values
from tasks.harness.settings import GRAPH, PARAMS, Paths, check, load_paths, read_yaml, require

SCHEMA = Path(__file__).with_name("params.schema.json")  # of the signatures; a test compares them
_KINDS = {"integer": int, "number": float, "string": str, "boolean": bool, "object": dict[str, Any]}
_RANGES: dict[str, Callable[[Any], Any]] = {
    "minimum": Ge,
    "exclusiveMinimum": Gt,
    "maximum": Le,
    "exclusiveMaximum": Lt,
}
RULE = "x-rule"  # words that say why or how, in the schema of a value


def require_settings(params: Mapping[str, Any]) -> None:
    """Checks the values of params.yaml: each of its kind and range, and those that have to go together.

    The stages check the rest, such as too few images. Nothing heavy is loaded.

    Raises:
        UserError: a value that is unknown, missing, of another kind, out of its range, or against another one.
    """
    read = sections_read()
    for section, kinds in _schema().items():
        values = params.get(section) or {}
        check(section, values, kinds)
        if section in read:
            require(section, values, kinds)
    for section, agree in _ACROSS.items():
        if section in read:
            agree(params, load_paths(dict(params)))


def require_run(params: Mapping[str, Any], force: Sequence[str]) -> None:
    """Checks the names of the stages to force, and all settings: what a run wants before anything is written."""
    require_stages(force)
    require_settings(params)


def require_stages(names: Sequence[str]) -> None:
    """Raises UserError for a name that is no stage of dvc.yaml."""
    known = list(read_yaml(GRAPH).get("stages") or {})
    for name in names:
        if name not in known:
            raise UserError(f"--force {name}: there is no such stage; there are {', '.join(known)}")


def defaults() -> dict[str, Any]:
    """Returns the values that ship, by their names (``section.key``)."""
    sections = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]
    return {
        f"{section}.{name}": schema["default"]
        for section, described in sections.items()
        for name, schema in described["properties"].items()
    }


def shipped_settings() -> str:
    """Returns the text of params.yaml with the values that ship, whatever a clone has made of its own."""
    return with_values((TEMPLATE / PARAMS).read_text(encoding="utf-8"), defaults())[0]


@cache
def _schema() -> dict[str, dict[str, Any]]:
    """Returns the kinds of values of each section, by their names."""
    sections = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]
    return {
        section: {name: _kind(schema) for name, schema in described["properties"].items()}
        for section, described in sections.items()
    }


def _kind(schema: Mapping[str, Any]) -> Any:
    """Returns the type, with its range and its rule, that the JSON schema of a value describes."""
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "anyOf" in schema:
        return Union[tuple(_kind(choice) for choice in schema["anyOf"])]  # noqa: UP007 - as many as there are
    if schema["type"] == "array":
        return list[_kind(schema["items"])]  # type: ignore[misc]
    notes = [make(schema[name]) for name, make in _RANGES.items() if name in schema]
    notes += [schema[RULE]] if RULE in schema else []
    kind = _KINDS[schema["type"]]
    return Annotated[(kind, *notes)] if notes else kind


def _training(params: Mapping[str, Any], paths: Paths) -> None:
    from cbir.training.rules.method import require_batches, require_method, require_restarts
    from cbir.training.rules.start import require_start

    train = params["train"]
    require_method(train["method"], tune=train["tune"], keep=train["keep"], augmentation=train["augmentation"])
    require_start(train, paths.weights)
    require_batches(train["batch_size"], ranks=train["devices"] * train["nodes"])
    require_restarts(train["restarts"], epochs=train["epochs"])


def _labels(params: Mapping[str, Any], paths: Paths) -> None:
    from cbir.labels.reference import Reference, require_reference
    from cbir.labels.splits import check_fractions

    known = params["groundtruth"]
    check_fractions(train=known["train"], val=known["val"])
    texts = {name: known[name] for name in ("file", "layout", "captions", "metadata", "dates")}
    require_reference(Reference(paths.reference, **texts))
    present = sorted(path.name for path in paths.raw.glob("[!.]*") if path.is_dir())
    for name in known["accessions"]:
        if not (paths.raw / name).is_dir():
            hint = nearest(name, present)
            raise UserError(f"groundtruth.accessions names {name}, which is no accession of the archive; {hint}")


def _index(params: Mapping[str, Any], _paths: Paths) -> None:
    from cbir.index.rules import require_lists

    require_lists(params["index"]["kind"], on_disk=params["index"]["on_disk"])


def _pictures(params: Mapping[str, Any], _paths: Paths) -> None:
    from cbir.reports.thumbnails import require_side

    require_side(params["group"]["thumbnail_side"], longest_side=params["images"]["longest_side"])


_ACROSS: dict[str, Callable[[Mapping[str, Any], Paths], None]] = {
    "groundtruth": _labels,
    "train": _training,
    "index": _index,
    "group": _pictures,
}
