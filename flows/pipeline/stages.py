"""Brings the stages of dvc.yaml up to date one by one: DVC decides and records, a separate process does the work.

DVC alone knows whether a stage is up to date, can be restored, or has to run; `dvc repro` on the same files comes to
the same result. The names used here that DVC does not document are why pyproject.toml pins its version.
"""

import hashlib
import json
import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dvc.dependency import Dependency, ParamsDependency
from dvc.exceptions import CheckoutError, DvcException
from dvc.repo import lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import PipelineStage, Stage
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.decorators import unlocked_repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from cbir.base.errors import UserError, in_short
from flows.processes.running import Running
from flows.repository.opening import key_of, open_repository, patiently
from tasks.harness.settings import GRAPH, HERE, PARAMS, TAKEN, load_paths, read_yaml
from tasks.harness.stage import TEMPORARY
from tasks.tracking.facts import Data, data_read, flatten

# Importing DVC sets INFO: it would log every write to dvc.lock. See docs/upstream.md, DVC: log level on import.
logging.getLogger("dvc").setLevel(logging.WARNING)

Tell = Callable[[int, str], None]
Reason = Literal["ran", "unchanged", "restored from the cache", "restored from the run cache", "kept in service"]

KEPT: Reason = "kept in service"


class StageError(Exception):
    """A stage ended badly; the message is the one sentence that says what failed.

    ``seconds`` says how long it ran; None if it did not run.
    """

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class StageInterruptedError(StageError):
    """Something outside broke (a network folder, a device): the same stage may well succeed on another try."""


@dataclass(frozen=True)
class Outcome:
    """How a stage came to be up to date: ``ran`` (in ``seconds``), or the reason why it did not have to.

    ``key`` is the same for the same inputs, wherever the workspace lies (DVC's run cache uses it). ``data`` lists
    what the stage has read, unless it was unchanged.
    """

    name: str
    ran: bool
    reason: Reason
    seconds: float
    key: str
    data: Sequence[Data] = ()


@dataclass(frozen=True)
class Plan:
    """The stages of a run in an order in which they can run, each with those that it needs.

    ``unchanged`` has those that are up to date and not forced, like all that come before them. ``figures`` has those
    that draw plots and that no other needs.
    """

    needs: dict[str, list[str]]
    unchanged: dict[str, Outcome]
    figures: frozenset[str] = frozenset()

    def before(self) -> dict[str, list[str]]:
        """Returns the stages in the order in which they start, each with those that it waits for.

        Figures wait for all that is none, for a result is worth more than a picture of it.
        """
        others = [name for name in self.needs if name not in self.figures]
        return {name: self.needs[name] for name in others} | dict.fromkeys(sorted(self.figures), others)


def plan_stages(
    force: Sequence[str], tell: Tell, *, root: Path = HERE, targets: Sequence[str] = (), keep: Sequence[str] = ()
) -> Plan:
    """Reads dvc.yaml, once for the whole run, and finds out what is up to date.

    First it brings the .dvc files of edited data up to date, as `dvc repro` does, and restores missing data. It waits
    while another process works on the files. With ``targets`` the plan has only these stages and what they need. Stages
    in ``keep`` may stay as they are, see `bring_up_to_date`.

    Raises:
        UserError: dvc.yaml or params.yaml is missing or not valid, or a name in ``force`` is no stage's.
    """
    try:
        return patiently(lambda: _plan(force, tell, root, targets, keep), tell)
    except DvcException as error:
        raise UserError(f"{' '.join(str(error).split())}; `dvc status` shows where") from error


def _plan(force: Sequence[str], tell: Tell, root: Path, targets: Sequence[str], keep: Sequence[str]) -> Plan:
    with open_repository(root) as repo, lock_repo(repo):
        for source in [stage for stage in repo.index.stages if not stage.cmd and stage.changed()]:
            _record(source)
            tell(logging.INFO, f"{', '.join(map(str, source.outs))} was edited: DVC has it as it is now")
        graph = get_active_graph(repo.index.graph)
        wanted = [stage for stage in graph if stage.cmd and stage.name in targets] if targets else None
        order = [stage for stage in plan_repro(graph, wanted) if stage.cmd]
        needs = {s.name: [needed.name for needed in graph.successors(s) if needed.cmd] for s in order}
        if unknown := [name for name in force if name not in needs]:
            raise UserError(f"--force {unknown[0]}: there is no such stage; there are {', '.join(needs)}")
        unchanged: dict[str, Outcome] = {}
        for stage in order:
            if stage.name not in force and unchanged.keys() >= set(needs[stage.name]):
                if not stage.changed():
                    unchanged[stage.name] = Outcome(stage.name, False, "unchanged", 0.0, key_of(stage))
                elif stage.name in keep and _can_be_kept(stage):
                    unchanged[stage.name] = Outcome(stage.name, False, KEPT, 0.0, key_of(stage))
        needed = {name for names in needs.values() for name in names}
        figures = {stage.name for stage in order if any(out.plot for out in stage.outs)} - needed
        return Plan(needs, unchanged, frozenset(figures))


def _record(source: Stage) -> None:
    """Brings a .dvc file up to date, or restores its data if any is missing."""
    if all(out.exists for out in source.outs):
        source.reproduce()
        source.dump()
    else:
        source.checkout(force=True)


def bring_up_to_date(
    name: str,
    *,
    root: Path = HERE,
    force: bool = False,
    hold: bool = False,
    keep: bool = False,
    tell: Tell,
    running: Running,
    prepare: Callable[[], None] = lambda: None,
) -> Outcome:
    """Brings one stage and its entry in dvc.lock up to date; runs it only if it cannot be restored.

    It waits while another process (a `dvc repro`, another flow) works on the stage's files.

    Args:
        force: run it even when it is up to date.
        hold: never run it; it may be restored.
        keep: where a held stage would have to run only because its version was raised, or because stages before it have
            made something else, leave it and its entry as they are.
        tell: takes level and text of each line that the stage logs, while it runs.
        prepare: called only before the stage's process starts, while no other run works on the stage's files.

    Raises:
        StageError: the stage's process failed, or the stage would have to run and is held.
    """
    run = partial(_run_process, prepare=prepare, tell=tell, running=running)
    return patiently(lambda: _bring_up_to_date(name, root, force=force, hold=hold, keep=keep, run=run), tell)


def _bring_up_to_date(
    name: str,
    root: Path,
    *,
    force: bool,
    hold: bool,
    keep: bool,
    run: Callable[[PipelineStage, Mapping[str, str]], None],
) -> Outcome:
    with open_repository(root) as repo, lock_repo(repo):
        stage = repo.stage.load_one(str(root / GRAPH), name)
        reason = None if force else _restore(stage)
        if reason == "unchanged":
            return Outcome(name, False, reason, 0.0, key_of(stage))
        if hold and reason is None:
            # Loaded again, for the look into the run cache has replaced the recorded hashes with the present ones.
            stage = repo.stage.load_one(str(root / GRAPH), name)
            if keep and _can_be_kept(stage):
                return Outcome(name, False, KEPT, 0.0, key_of(stage))
            raise StageError(_refusal(stage))
        started = time.monotonic()
        if reason:
            stage.save()
            stage.commit()
        else:
            _reproduce(stage, run)
        stage.dump(update_pipeline=False)
        seconds = time.monotonic() - started
        return Outcome(name, not reason, reason or "ran", seconds, key_of(stage), data_read(name, root))


def _can_be_kept(stage: PipelineStage) -> bool:
    """Returns whether what a stage wrote is there, and it would have to run for no person's edit of its inputs."""
    made = {out.fs_path for other in stage.repo.index.stages if other.cmd for out in other.outs}
    return not stage.changed_outs() and all(dep.fs_path in made for dep in stage.deps if dep.status())


def _refusal(stage: PipelineStage) -> str:
    """Says why a stage that is held would have to run."""
    changed = in_short(what_changed(stage), most=3)
    return f"{stage.name} is out of date because {changed} changed; only `cbir run` and `cbir retrain` train"


def what_changed(stage: PipelineStage) -> list[str]:
    """Names the dependencies of a stage that changed, files and params, or else what may have."""
    return [_what(dep) for dep in stage.deps if dep.status()] or ["its command or its outputs"]


def _what(dep: Any) -> str:
    """Names the change of a dependency: the file, or the params."""
    if not isinstance(dep, ParamsDependency):
        return str(dep)
    before, now = (dict(flatten(values or {})) for values in (dep.hash_info.value, dep.read_params()))
    return ", ".join(sorted(name for name in {**before, **now} if before.get(name) != now.get(name)))


def _restore(stage: PipelineStage) -> Reason | None:
    """Restores a stage without running it, and says how; None if it has to run."""
    if not stage.changed():
        return "unchanged"
    if stage.changed_stage() or stage.changed_deps():
        with suppress(RunCacheNotFoundError):  # these inputs may have been seen before
            stage.repo.stage_cache.restore(stage)
            return "restored from the run cache"
        return None
    with suppress(CheckoutError, RunCacheNotFoundError):  # only outputs are missing or altered
        if not stage.already_cached():
            raise RunCacheNotFoundError(stage)
        stage.checkout(force=True)
        return "restored from the cache"
    return None


def _reproduce(stage: PipelineStage, run: Callable[[PipelineStage, Mapping[str, str]], None]) -> None:
    """Runs the stage by Stage.reproduce, which removes old outputs, locks the files, saves and commits.

    Only the shell command is replaced; like DVC's own it runs with the lock on the repository released. See
    docs/upstream.md, DVC: own runner for a stage.
    """
    stage._run_stage = lambda *_, **__: unlocked_repo(run)(stage, _take_decisions(stage))
    stage.reproduce(force=True)


def _take_decisions(stage: PipelineStage) -> dict[str, str]:
    """Takes people's decisions as they are now, and returns the variables by which the stage reads as much of them.

    They go on deciding while it runs: DVC records the decisions that were taken, so those that come later are obeyed
    by the next run.
    """
    decisions = load_paths(read_yaml(Path(stage.wdir) / PARAMS)).decisions
    variables = {}
    for dep in stage.deps:
        if dep.def_path == decisions.as_posix() and dep.exists:
            taken = Path(dep.fs_path).read_bytes()
            dep.save = partial(_save_as_taken, dep, taken)
            variables[TAKEN] = str(len(taken))
    return variables


def _save_as_taken(dep: Dependency, taken: bytes) -> None:
    dep.hash_info = HashInfo("md5", hashlib.md5(taken, usedforsecurity=False).hexdigest())
    dep.meta = Meta(size=len(taken))


def _run_process(
    stage: PipelineStage, variables: Mapping[str, str], prepare: Callable[[], None], tell: Tell, running: Running
) -> None:
    prepare()
    began = time.monotonic()
    failure = None
    with running.started(_command(stage), stage.wdir, variables) as (process, lines):
        for line in lines:
            record = json.loads(line)
            tell(record["level"], record["message"])
            if record["level"] >= logging.ERROR:
                failure = record["message"].splitlines()[0]
        code = process.wait()
    if code == 0:
        return
    if code < 0:
        failure = f"it was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if code == -9 else "")
    raise (StageInterruptedError if code == TEMPORARY else StageError)(
        f"{stage.name}: {failure or f'it ended with exit code {code}'}", time.monotonic() - began
    )


def _command(stage: PipelineStage) -> list[str]:
    """Returns the stage's command with the interpreter of this process, not whichever `python` is on the path."""
    program, *rest = shlex.split(stage.cmd)
    return [sys.executable if program in ("python", "python3") else program, *rest]
