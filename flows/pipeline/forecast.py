"""Foresees a run: which stages would run, why, and about how long, by the last time that each ran."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage import PipelineStage

from cbir.base.errors import in_short
from flows.pipeline.durations import last_seconds
from flows.pipeline.stages import what_changed
from flows.repository.opening import open_repository
from tasks.harness.settings import HERE

_NAMED = 3  # changes that a reason names


@dataclass(frozen=True)
class Step:
    """A stage that would run: why, and the seconds that it took when it last ran (None: it never did here)."""

    name: str
    reason: str
    seconds: float | None


def foresee(*, changed: Collection[str] = (), force: Sequence[str] = (), root: Path = HERE) -> list[Step]:
    """Lists the stages that would run, in their order; changes nothing.

    DVC may restore some of them from what it remembers, which only the run itself finds out.

    Args:
        changed: names of settings (``section.key``) that are to be changed first.
        force: stages that are to run in any case.
    """
    steps: dict[str, Step] = {}
    seconds = last_seconds(root)
    with open_repository(root) as repo, lock_repo(repo):
        graph = get_active_graph(repo.index.graph)
        edited = [stage for stage in repo.index.stages if not stage.cmd and stage.changed()]
        for stage in (stage for stage in plan_repro(graph) if stage.cmd):
            before = [needed.name for needed in graph.successors(stage) if needed.cmd and needed.name in steps]
            sources = [needed.relpath for needed in graph.successors(stage) if needed in edited]
            if reason := _reason(stage, changed, force, [*sources, *before]):
                steps[stage.name] = Step(stage.name, reason, seconds.get(stage.name))
    return list(steps.values())


def _reason(stage: PipelineStage, changed: Collection[str], force: Sequence[str], before: Sequence[str]) -> str:
    if stage.name in force:
        return "forced"
    read = [name for dep in stage.deps for name in getattr(dep, "params", ())]
    if names := [name for name in changed if any(name == known or name.startswith(f"{known}.") for known in read)]:
        return f"{in_short(names, most=_NAMED)} changes"
    if before:
        return f"after {in_short(before, most=_NAMED)}"
    if not stage.changed():
        return ""
    return f"{in_short(what_changed(stage), most=_NAMED)} changed"


def plan_in_words(steps: Sequence[Step]) -> str:
    """Lays out the steps, a line each, and how long they take in all; empty where nothing would run."""
    lines = [
        f"{step.name:12}{'' if step.seconds is None else duration(step.seconds):>8}  {step.reason}" for step in steps
    ]
    return "\n".join([*lines, f"would run: {len(steps)} stages, {in_all(steps)}".removesuffix(", ")] if steps else [])


def in_all(steps: Sequence[Step]) -> str:
    """Words how long the steps take together; empty where nobody knows."""
    known = [step.seconds for step in steps if step.seconds is not None]
    if not known:
        return ""
    unknown = len(steps) - len(known)
    return f"about {duration(sum(known))}" + (f", and {unknown} that never ran here" if unknown else "")


def duration(seconds: float) -> str:
    """Words a time for people, in seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
