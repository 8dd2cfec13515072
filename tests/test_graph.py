"""dvc.yaml names all code that a stage runs, so that no edit leaves a stale result, and no other."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.code import LAYERS, ROOT, imported, relative

GRAPHS = [ROOT / "dvc.yaml", *sorted(ROOT.glob("presets/stages/*.yaml"))]
STAGES = {name: stage for path in GRAPHS for name, stage in YAML(typ="safe").load(path)["stages"].items()}
NAMING = {  # the files of flows and tracking that hold a stage's name, and why
    "flows/commands/looking.py": "the name of a page",
    "flows/workspace/checks.py": "sections of params.yaml",
    "flows/workspace/settings.py": "HELD: what trains never runs by itself",
    "flows/pipeline/embed_workers.py": "several processes may embed before the stage runs",
    "flows/importing.py": "a kind of reference file",
    "flows/searching.py": "a column",
    "flows/review/serving.py": "a section of params.yaml",
    "flows/studies/presets.py": "a section of params.yaml",
    "flows/unattended/run.py": "a section of params.yaml",
    "flows/workspace/migration.py": "a section of params.yaml, by which older ones are told",
    "flows/repository/accepting.py": "stages that write what those of 0.1 wrote",
    "tasks/tracking/registry.py": "a section of params.yaml",
}


def code_of(stage: str) -> set[str]:
    """Paths of the repository's modules that tasks/<stage>.py imports, directly or through others, and itself."""
    return imported(f"tasks/{stage}.py")


def _files_of(dependency: str) -> set[str]:
    path = ROOT / dependency
    if not path.is_dir():
        return {dependency}
    return {relative(file) for file in path.rglob("*") if file.is_file() and not file.match("__*__*")} - {
        relative(file) for file in path.rglob("__pycache__/*")
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_runs_and_on_no_other(stage: str) -> None:
    declared = [path for path in STAGES[stage]["deps"] if path.startswith(LAYERS)]
    assert set().union(*map(_files_of, declared)) == code_of(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_a_folder_where_it_runs_all_of_it(stage: str) -> None:
    declared = {path for path in STAGES[stage]["deps"] if path.startswith(LAYERS)}
    code = code_of(stage)
    whole = {folder for folder in _folders(declared) if len(_files_of(folder)) > 1 and _files_of(folder) <= code}
    assert not whole, "name the folder in place of its files"


def _folders(paths: set[str]) -> set[str]:
    """The folders below a layer in which a path lies."""
    parents = {parent.as_posix() for path in paths for parent in Path(path).parents}
    return parents - {".", *LAYERS}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_run_by_the_module_of_its_name(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m tasks.{stage}"


def test_tasks_holds_a_module_a_stage_and_the_report_of_arrivals() -> None:
    assert {path.stem for path in (ROOT / "tasks").glob("[!_]*.py")} == {*STAGES, "arrivals"}


def test_flows_and_tracking_name_no_stage_where_they_need_not() -> None:
    files = [*(ROOT / "flows").rglob("*.py"), *(ROOT / "tasks/tracking").glob("*.py")]
    naming = {relative(file) for file in files if _names_a_stage(ast.parse(file.read_text(encoding="utf-8")))}
    assert naming == {*NAMING}


def _names_a_stage(tree: ast.AST) -> bool:
    """Whether a stage's name stands in the code, but for the key of a section (``params["embed"]``)."""
    keys = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in keys]
    return any(node.value in STAGES for node in constants)
