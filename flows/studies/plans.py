"""Plans a study: for each preset its settings under one protocol for all, and the command that does the same."""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.studies.presets import FIXED, Preset, Values, load_preset, preset_values, quick_values
from flows.workspace.settings import with_values
from tasks.harness.settings import PARAMS, Paths

PROTOCOL = ("evaluate.", "groundtruth.split_by", "groundtruth.train", "groundtruth.val", "groundtruth.seed")


@dataclass(frozen=True)
class Plan:
    """The plan for a preset: the values and assignments over params.yaml, and the command that does the same.

    ``quick``: scaled down so far that the result says nothing of the system.
    """

    preset: Preset
    values: Values
    assignments: tuple[str, ...]
    command: str
    quick: bool

    @property
    def name(self) -> str:
        return self.preset.name

    def root(self, paths: Paths) -> Path:
        return paths.store.absolute() / "studies" / self.name


def make_plan(name: str, *, assignments: Sequence[str] = (), quick: bool = False) -> Plan:
    """Plans the work of a study for a preset of this name.

    All rows of a study are measured under one protocol, the one that params.yaml and the assignments give: what the
    preset itself says of splits and of the evaluation is left out.

    Raises:
        UserError: there is no such preset, or it or an assignment is not as it must be.
    """
    for setting in assignments:
        if setting.strip().partition(".")[0] in FIXED:
            raise UserError(
                f"--set {setting}: a study may change none of {', '.join(FIXED)}, which its presets share; "
                "change it with `cbir run --set` first"
            )
    preset = load_preset(name)
    alone = preset_values(preset)
    values = {key: value for key, value in alone.items() if not key.startswith(PROTOCOL)}
    values |= quick_values(preset) if quick else {}
    text = PARAMS.read_text(encoding="utf-8")
    here, selected = with_values(text, values, assignments)[0], with_values(text, alone)[0]
    if preset.graph:
        words = ["cbir", "study", name, *(["--quick"] if quick else [])]
        command = shlex.join([*words, *(word for setting in assignments for word in ("--set", setting))])
    else:
        command = _command(name, _parsed(here), _parsed(selected))
    return Plan(preset, values, tuple(assignments), command, quick)


def _parsed(text: str) -> dict[str, Any]:
    return YAML(typ="safe").load(text)


def _command(name: str, wanted: dict[str, Any], selected: dict[str, Any]) -> str:
    """Returns the command with which the user's own workspace comes to the same row."""
    words = ["cbir", "run", "--preset", name]
    for section, values in wanted.items():
        for key, value in values.items():
            if selected[section][key] != value:
                words += ["--set", f"{section}.{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


@contextmanager
def one_study(store: Path) -> Iterator[None]:
    """Holds the studies' workspaces until the process ends, however it ends; raises UserError if another one does."""
    (store / "studies").mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(store / "studies.lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise UserError("another study is under way in this folder; run this one when it has ended") from error
