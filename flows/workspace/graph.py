"""Writes the graph of an archive: the program's own, in which a stage depends on its version in place of its code.

The program's dvc.yaml names the code, which its repository has beside it; an archive has none.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.workspace.home import TEMPLATE
from tasks.harness.settings import GRAPH, HERE
from tasks.harness.versions import OPTION, stage_versions

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
