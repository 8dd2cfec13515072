"""Brings the toy's stages up to date in this process, as a flow run does and as `dvc repro` does.

Without Prefect and the command line: DVC decides here too, and each stage that has to run is a process of its own.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from dvc.repo import Repo

from flows.pipeline.stages import bring_up_to_date, plan_stages
from flows.processes.running import Running
from tests.support.toy import FILES

UNCHANGED = dict.fromkeys(FILES, "unchanged")
RESTORED = dict.fromkeys(FILES, "restored from the run cache")


def run_flow(root: Path = Path(), *, force: Sequence[str] = ()) -> dict[str, str]:
    """Bring all stages up to date, one after the other; by each stage's name how it came to be so."""
    plan = plan_stages(force, logging.log, root=root)
    outcomes = [
        plan.unchanged.get(name)
        or bring_up_to_date(name, root=root, force=name in force, tell=logging.log, running=Running())
        for name in plan.needs
    ]
    return {outcome.name: outcome.reason for outcome in outcomes}


def run_dvc(root: Path = Path()) -> None:
    """`dvc repro`."""
    with Repo(str(root)) as repo:
        repo.reproduce()


RUNS = {"flow": run_flow, "dvc repro": run_dvc}


def is_clean(root: Path = Path()) -> bool:
    """Whether `dvc status` names nothing to do."""
    with Repo(str(root)) as repo:
        return repo.status() == {}


def edit_while_it_runs(stage: str, file: str, old: str, new: str) -> None:
    """Have the toy's stage edit a file of the working directory in the middle of its next run."""
    Path(f"edit-{stage}.json").write_text(json.dumps([file, old, new]))
