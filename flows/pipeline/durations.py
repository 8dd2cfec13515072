"""Keeps the seconds that a stage ran: the last ones, and by its inputs, so that a restored stage has its own."""

import json
import threading
from pathlib import Path

from cbir.base.files import write_json
from cbir.store import Store
from flows.pipeline.stages import Outcome
from tasks.harness.settings import PARAMS, load_paths, read_yaml

FILE = "durations.sqlite"
LAST = "durations.json"
_WRITING = threading.Lock()  # stages run side by side


def remember(root: Path, outcome: Outcome) -> None:
    """Keeps the seconds of a stage that ran in a workspace."""
    if outcome.ran:
        _store(root).put_many([(outcome.key, str(outcome.seconds).encode("ascii"))])
        with _WRITING:
            write_json(_last(root), last_seconds(root) | {outcome.name: round(outcome.seconds, 1)})


def last_seconds(root: Path) -> dict[str, float]:
    """Returns the seconds that each stage took when it last ran in this workspace, by name."""
    try:
        return dict(json.loads(_last(root).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def recall(root: Path, outcome: Outcome) -> float | None:
    """Returns the seconds that a stage ran on these inputs, in any workspace; None if they are no longer known."""
    seconds = _store(root).get(outcome.key)
    return None if seconds is None else float(seconds)


def _last(root: Path) -> Path:
    return root / load_paths(read_yaml(root / PARAMS)).store / LAST


def _store(root: Path) -> Store:
    return Store(root / load_paths(read_yaml(root / PARAMS)).store / FILE)
