"""What was measured of a stage's run, kept by the stage's inputs: what is restored was measured when it was made."""

import json
from pathlib import Path

from cbir.store import Store
from flows.pipeline.stages import Outcome
from tasks.harness.settings import PARAMS, load_paths, read_yaml

FILE = "measured.sqlite"


def remember(root: Path, outcome: Outcome) -> None:
    """Keep what was measured of a stage that ran in a workspace."""
    if outcome.ran:
        _store(root).put_many([(outcome.key, json.dumps(dict(outcome.measured)).encode("ascii"))])


def recall(root: Path, outcome: Outcome) -> dict[str, float]:
    """What was measured when a stage ran on these inputs, in whichever workspace; {} where nobody knows any more."""
    found = _store(root).get(outcome.key)
    return {} if found is None else json.loads(found)


def _store(root: Path) -> Store:
    return Store(root / load_paths(read_yaml(root / PARAMS)).store / FILE)
