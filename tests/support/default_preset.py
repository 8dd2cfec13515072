"""Writes presets/default.yaml from params.yaml, so that a value is edited in params.yaml alone: `make presets`."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "presets/default.yaml"
USERS = ("precision", "workers", "devices", "nodes", "strategy", "seed")  # of section train: no matter of a method

_HEAD = """\
description: the settings that this project comes with (its own weights, adapted to reprints; nothing is trained)
# What a preset goes back to before its own values are taken: the values of params.yaml, written by `make presets`.
"""


def default_preset() -> str:
    """The text of presets/default.yaml: each setting of section train but the user's, and all that presets name."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    shipped = yaml.load(ROOT / "params.yaml")
    named = {("train", key) for key in shipped["train"] if key not in USERS}
    for path in ROOT.glob("presets/*.yaml"):
        if path != DEFAULT:
            sections: dict[str, Any] = yaml.load(path).get("params") or {}
            named |= {(section, key) for section, values in sections.items() for key in values}
    params = {
        section: {key: value for key, value in values.items() if (section, key) in named}
        for section, values in shipped.items()
        if any(section == other for other, _ in named)
    }
    text = io.StringIO()
    yaml.dump({"params": params}, text)
    return _HEAD + text.getvalue()


if __name__ == "__main__":
    DEFAULT.write_text(default_preset(), encoding="utf-8")
