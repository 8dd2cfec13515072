"""Writes the graph of an archive: the program's own, in which a stage depends on its version in place of its code.

The program's dvc.yaml names the code, which its repository has beside it; an archive has none.
"""

import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cbir.base.errors import UserError
from cbir.base.files import writing
from flows.workspace.home import TEMPLATE, program
from tasks.harness.settings import GRAPH, HERE, read_yaml
from tasks.harness.versions import OPTION, require_version, stage_versions, version_in

_DATA = "${"  # begins the dependencies on data, whose places params.yaml gives
_HEAD = """\
# Written by cbir, and anew by `cbir upgrade`: stages of your own belong into a dvc.yaml of a folder below. A stage runs
# again when its inputs, its settings or its version have changed.
"""


def is_archive(root: Path = HERE) -> bool:
    """Returns whether the stages of a workspace depend on their versions; those of a clone depend on the code in it."""
    return OPTION in (root / GRAPH).read_text(encoding="utf-8")


def archive_graph() -> str:
    """Returns the text of dvc.yaml for an archive."""
    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    graph = yaml.load((TEMPLATE / GRAPH).read_text(encoding="utf-8"))
    text = io.StringIO()
    yaml.dump({**graph, "stages": versioned(graph["stages"])}, text)
    return _HEAD + text.getvalue()


def follow_program(tell: Callable[[int, str], None]) -> None:
    """Writes an archive's dvc.yaml anew where this program has raised the version of a stage.

    Raises:
        UserError: dvc.yaml differs in more than that from what this program writes, or asks for a higher version.
    """
    if not is_archive() or GRAPH.read_text(encoding="utf-8") == (text := archive_graph()):
        return
    before, now = read_yaml(GRAPH), YAML(typ="safe").load(text)
    if unversioned(before) != unversioned(now):
        raise UserError(f"{GRAPH} is not as {program()} writes it: `cbir upgrade` says what would change")
    versions, asked = (
        stage_versions(),
        {name: version_in(stage["cmd"]) or 0 for name, stage in before["stages"].items()},
    )
    for name, number in asked.items():
        require_version(name, [f"{OPTION}{max(number, versions[name])}"], versions)
    raised = [f"version {versions[name]} of {name}" for name, number in asked.items() if number < versions[name]]
    with writing(GRAPH) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if raised:
        tell(logging.INFO, f"new with {program()}: {', '.join(raised)}; what depends on it runs again")


def unversioned(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a graph without the versions in its commands, to see what else differs."""
    stages = {
        name: {**stage, "cmd": stage["cmd"].partition(f" {OPTION}")[0]} for name, stage in graph["stages"].items()
    }
    return {**graph, "stages": stages}


def versioned(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Returns stages as dvc.yaml describes them, with the version in the command and without the code."""
    versions = stage_versions()
    return {
        name: {
            **described,
            "cmd": f"{described['cmd']} {OPTION}{versions[name]}",
            "deps": [path for path in described["deps"] if path.startswith(_DATA)],
        }
        for name, described in stages.items()
    }
