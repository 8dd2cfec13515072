"""Keeps the seconds that a stage ran under the key of its inputs, so that a restored stage still has them."""

from pathlib import Path

from cbir.store import Store
from flows.pipeline.stages import Outcome
from tasks.harness.settings import PARAMS, load_paths, read_yaml

FILE = "durations.sqlite"


def remember(root: Path, outcome: Outcome) -> None:
    """Keeps the seconds of a stage that ran in a workspace."""
    if outcome.ran:
        _store(root).put_many([(outcome.key, str(outcome.seconds).encode("ascii"))])


def recall(root: Path, outcome: Outcome) -> float | None:
    """Returns the seconds that a stage ran on these inputs, in any workspace; None if they are no longer known."""
    seconds = _store(root).get(outcome.key)
    return None if seconds is None else float(seconds)


def _store(root: Path) -> Store:
    return Store(root / load_paths(read_yaml(root / PARAMS)).store / FILE)
