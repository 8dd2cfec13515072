"""Brings a workspace to this program: settings, graph and what DVC records, with all results that still hold."""

import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cbir.base.errors import UserError, in_short
from flows.commands.speaking import Json, print_json
from flows.founding import COPIED, describe_settings
from flows.workspace.home import HOME, TEMPLATE, program
from flows.workspace.place import enter_workspace
from tasks.harness.settings import GRAPH, HERE, PARAMS, read_yaml

LOCK = Path("dvc.lock")
ASIDE = Path("before-upgrade")
OF_THE_PROGRAM = (  # in a clone of it
    "cbir", "tasks", "flows", "tests", "benchmarks", "docs", "presets", ".ci", "cbir_command.py", "setup.py",
    "Makefile", "MANIFEST.in", "pyproject.toml", "constraints.txt", "prefect.yaml", "README.md", "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff", "LICENSE",
)  # fmt: skip


@dataclass(frozen=True)
class Upgrade:
    """The files of a workspace as they would be, the changes in words, and the stages that would run, with the reason.

    ``aside`` names the program's own files in a clone, which an archive does not have.
    """

    params: str
    graph: str
    entries: dict[str, Any]
    changes: list[str]
    stale: dict[str, str]
    aside: list[str]


def upgrade(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Brings the workspace to this program, or says what that would change and which stages would run again."""
    from flows.workspace.exclusive import hold_workspace

    enter_workspace()
    planned = plan_upgrade()
    _show(planned, as_json=as_json)
    if yes and planned.changes:
        with hold_workspace("cbir upgrade"):
            apply_upgrade(planned)
    if not as_json:
        print(_what_was_done(planned, yes=yes))


def _what_was_done(planned: Upgrade, *, yes: bool) -> str:
    if not planned.changes:
        return f"nothing to upgrade: this workspace is as {program()} makes it"
    if not yes:
        return "nothing was changed; `cbir upgrade --yes` does it"
    return "done; next: `cbir run`" + (f"; {ASIDE} has the program's files, which can go" if planned.aside else "")


def _show(planned: Upgrade, *, as_json: bool) -> None:
    from flows.pipeline.durations import last_seconds
    from flows.pipeline.forecast import Step, plan_in_words

    seconds: dict[str, float] = {}
    with suppress(UserError):  # paths of an older program
        seconds = last_seconds(HERE)
    steps = [Step(name, reason, seconds.get(name)) for name, reason in planned.stale.items()]
    if as_json:
        print_json({"changes": planned.changes, "stages": [asdict(step) for step in steps]})
    elif lines := [*planned.changes, *plan_in_words(steps).splitlines()]:
        print("\n".join(lines))


def plan_upgrade() -> Upgrade:
    """Compares the workspace, the working directory, with what this program makes; changes nothing."""
    from flows.repository.accepting import keep_results, versions_made_by
    from flows.workspace.checks import shipped_settings
    from flows.workspace.graph import archive_graph, is_archive
    from flows.workspace.migration import migrated
    from tasks.harness.versions import stage_versions

    given = PARAMS.read_text(encoding="utf-8")
    params, changes = migrated(given, shipped_settings())
    changes = [f"{PARAMS}: {change}" for change in changes]
    recorded = read_yaml(LOCK)["stages"] if LOCK.exists() else {}
    before = GRAPH.read_text(encoding="utf-8")
    if Path.cwd().resolve() == HOME.resolve():  # a clone whose own program this is: its graph comes with its code
        return Upgrade(params, before, recorded, changes, {}, [])
    aside = [] if is_archive() else [name for name in OF_THE_PROGRAM if Path(name).exists()]
    graph = archive_graph()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / PARAMS).write_text(params, encoding="utf-8")
        (Path(folder) / GRAPH).write_text(graph, encoding="utf-8")
        kept = keep_results(recorded, Path(folder), made_by=versions_made_by(HERE, recorded, stage_versions()))
    if graph != before:
        changes.append(f"{GRAPH}: as {program()} writes it")
    if aside:
        changes.append(f"{in_short(aside, most=4)}: the program's own files, to {ASIDE}/")
    return Upgrade(params, graph, kept.entries, changes, kept.stale, aside)


def apply_upgrade(planned: Upgrade) -> None:
    """Writes the files of a planned upgrade, and moves the program's own files aside."""
    from ruamel.yaml import YAML

    from cbir.base.files import writing

    for path, text in ((PARAMS, planned.params), (GRAPH, planned.graph)):
        with writing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if LOCK.exists():
        lock = {**read_yaml(LOCK), "stages": planned.entries}
        with writing(LOCK) as temporary, temporary.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(lock, file)
    for name in planned.aside:
        (ASIDE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(name, ASIDE / name)
    if planned.aside:
        with Path(".gitignore").open("a", encoding="utf-8") as file:
            file.write(f"/{ASIDE}/\n")
    for name in COPIED:
        if not Path(name).exists():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TEMPLATE / name, name)
    describe_settings(HERE)
