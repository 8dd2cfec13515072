"""Records a study in MLflow: ``python -m tasks.tracking.study``, with the study as JSON on its standard input.

A study is one MLflow run with a nested one a preset. All are recorded by one process when the study has ended:
MLflow takes some seconds to load, which would be spent once a stage. A study that was killed is recorded when it has
gone on to its end.
"""

import json
import sys
import time
from collections.abc import Mapping
from contextlib import chdir, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.harness.settings import PARAMS, load_paths, read_yaml
from tasks.tracking.connection import RUN_LINE, Pipeline, connection, find_or_create, load_tracking
from tasks.tracking.facts import without_credentials
from tasks.tracking.runs import log_stage


@dataclass(frozen=True)
class Member:
    """A preset's part of a study: its workspace, and the seconds of each stage that came to its end.

    ``failed`` names the stage that did not, if there is one, and says why.
    """

    name: str
    root: str
    seconds: Mapping[str, float]
    failed: tuple[str, str] | None = None


@dataclass(frozen=True)
class Study:
    """A study that has ended: its key, when it began (seconds since 1970), its members, and the files of its report."""

    key: str
    began: float
    members: list[Member]
    files: list[str]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Study":
        values = json.loads(text)
        members = [Member(**{**one, "failed": one["failed"] and tuple(one["failed"])}) for one in values["members"]]
        return cls(**{**values, "members": members})


def record_study(study: Study) -> str:
    """Record a study; returns the id of its MLflow run."""
    params = read_yaml(PARAMS)
    with connection(load_tracking(params), load_paths(params)) as (client, experiment):
        whole = Pipeline(study.key, 0.0, "cbir study", name="study")
        parent = find_or_create(client, experiment, whole, began=study.began)
        for member in study.members:
            one = Pipeline(f"{study.key}:{member.name}", 0.0, "cbir study", name=member.name, parent=parent.info.run_id)
            with chdir(member.root):
                _record_member(client, experiment, member, one)
        for file in study.files:
            client.log_artifact(parent.info.run_id, file, Path(file).parent.name)
        client.set_terminated(parent.info.run_id)
    return parent.info.run_id


def _record_member(client: Any, experiment: str, member: Member, pipeline: Pipeline) -> None:
    run = find_or_create(client, experiment, pipeline, began=time.time() - sum(member.seconds.values()))
    for stage, seconds in member.seconds.items():
        log_stage(client, run, stage, seconds)
        run = client.get_run(run.info.run_id)
    if member.failed:
        stage, sentence = member.failed
        log_stage(client, run, stage, 0.0, failed=sentence)


def main() -> None:
    """The command: its one line on stdout names the run; where it fails, its last line on stderr says why."""
    try:
        with redirect_stdout(sys.stderr):
            run_id = record_study(Study.from_json(sys.stdin.read()))
    except Exception as error:
        sys.exit(without_credentials(" ".join(str(error).split()) or type(error).__name__))
    print(f"{RUN_LINE}{run_id}")  # noqa: T201 - the answer to the flow


if __name__ == "__main__":
    main()
