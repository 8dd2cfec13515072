"""Records a study in MLflow: one run with a nested one a preset.

It is recorded when it has ended; a study that was killed, when it has gone on to its end.
"""

import time
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.harness.settings import PARAMS, load_paths, read_yaml
from tasks.tracking.connection import Pipeline, connection, find_or_create, load_tracking
from tasks.tracking.facts import Ran
from tasks.tracking.runs import log_stage


@dataclass(frozen=True)
class Member:
    """A preset's part of a study: its workspace, and its stages that came to their end or failed."""

    name: str
    root: str
    stages: list[Ran]


def record_study(key: str, began: float, members: Sequence[Member], files: Sequence[str]) -> str:
    """Records a study that has ended, with the files of its report; returns the id of its MLflow run."""
    params = read_yaml(PARAMS)
    with connection(load_tracking(params), load_paths(params)) as (client, experiment):
        whole = Pipeline(key, 0.0, "cbir study", name="study")
        parent = find_or_create(client, experiment, whole, began=began)
        for member in members:
            own = f"{key}:{member.name}"
            pipeline = Pipeline(own, 0.0, "cbir study", name=member.name, parent=parent.info.run_id, preset=member.name)
            with chdir(member.root):
                _record_member(client, experiment, member, pipeline)
        for file in files:
            client.log_artifact(parent.info.run_id, file, Path(file).parent.name)
        client.set_terminated(parent.info.run_id)
    return parent.info.run_id


def _record_member(client: Any, experiment: str, member: Member, pipeline: Pipeline) -> None:
    run = find_or_create(client, experiment, pipeline, began=time.time() - sum(ran.seconds for ran in member.stages))
    for ran in member.stages:
        log_stage(client, run, ran)
        run = client.get_run(run.info.run_id)
