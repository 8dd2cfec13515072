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

_OWN_STAGE = "write a stage of your own into a dvc.yaml of a folder below, or install the cbir that has it"
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
    """Writes an archive's dvc.yaml as this program has it, and says which stages have a new version.

    Raises:
        UserError: dvc.yaml has a stage that this program does not have, or asks for a higher version than it has.
    """
    if not is_archive() or GRAPH.read_text(encoding="utf-8") == (text := archive_graph()):
        return
    versions, stages = stage_versions(), read_yaml(GRAPH)["stages"]
    asked = {name: version_in(stage["cmd"]) or 0 for name, stage in stages.items()}
    for name, number in asked.items():
        if name not in versions:
            raise UserError(f"{GRAPH} has the stage {name}, which {program()} does not have: {_OWN_STAGE}")
        require_version(name, [f"{OPTION}{max(number, versions[name])}"], versions)
    with writing(GRAPH) as temporary:
        temporary.write_text(text, encoding="utf-8")
    raised = [f"version {versions[name]} of {name}" for name, number in asked.items() if number < versions[name]]
    if raised:
        tell(logging.INFO, f"new with {program()}: {', '.join(raised)}; what depends on it runs again")


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
