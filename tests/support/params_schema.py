"""Makes the JSON schema of params.yaml from the signatures that take its values; run it after a change of those.

`python -m tests.support.params_schema` writes it to the file that the command line and editors read.
"""

import json
import typing
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from cbir.comparison.gate import Gate
from flows.pipeline.embed_workers import Shards
from flows.unattended.refresh import Arrivals, Landing
from flows.unattended.run import Notify, Version
from flows.unattended.schedules import Schedules
from flows.workspace.checks import RULE, SCHEMA
from tasks.harness.settings import Paths, schema
from tasks.tracking.connection import Tracking

ROOT = Path(__file__).parents[2]
SECTIONS: dict[str, Any] = {
    "shards": Shards,
    "landing": Landing,
    "arrivals": Arrivals,
    "notify": Notify,
    "version": Version,
    "schedule": Schedules,
    "promotion": Gate,
    "tracking": Tracking,
}


def params_schema() -> dict[str, Any]:
    """The schema, with the comments of params.yaml as descriptions."""
    shipped = YAML().load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    shipped["groundtruth"].update(dict.fromkeys(("file", "captions", "metadata"), ""))  # this clone may have an archive
    kinds = _kinds()
    sections = {section: _section(values, kinds[section]) for section, values in shipped.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of a cbir workspace (params.yaml)",
        "type": "object",
        "properties": sections,
    }


def _kinds() -> dict[str, dict[str, Any]]:
    kinds: dict[str, dict[str, Any]] = {"paths": dict.fromkeys(typing.get_type_hints(Paths), str)}
    kinds |= {name: typing.get_type_hints(kind, include_extras=True) for name, kind in SECTIONS.items()}
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for stage, described in stages.items():
        taken = schema(getattr(import_module(f"tasks.{stage}"), stage))
        for name in described["params"]:
            section, _, key = name.partition(".")
            names = [key] if key else params[section]
            known = kinds.setdefault(section, {})
            known.update({name: taken[name] for name in names if not hasattr(known.get(name), "__metadata__")})
    return kinds


def _section(values: Any, kinds: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _described(kinds[key], values[key], _comment(values, key)) for key in values}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _described(kind: Any, value: Any, comment: str) -> dict[str, Any]:
    made = TypeAdapter(kind).json_schema() | {"default": value}
    notes = [note for note in getattr(kind, "__metadata__", ()) if isinstance(note, str)]
    return made | ({RULE: notes[0]} if notes else {}) | ({"description": comment} if comment else {})


def _comment(values: Any, key: str) -> str:
    tokens = values.ca.items.get(key)
    return tokens[2].value.partition("\n")[0].strip("# ").strip() if tokens and tokens[2] else ""


def as_text() -> str:
    """The file's content."""
    return json.dumps(params_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(as_text(), encoding="utf-8")
