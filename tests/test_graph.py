"""dvc.yaml names all code that a stage runs, so that no edit leaves a stale result, and no other."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
GRAPHS = [ROOT / "dvc.yaml", *sorted(ROOT.glob("presets/stages/*.yaml"))]
STAGES = {name: stage for path in GRAPHS for name, stage in YAML(typ="safe").load(path)["stages"].items()}
LAYERS = ("cbir", "tasks")
LOADED_BY_NAME = {"cbir/training/objective.py": "cbir/training/methods"}  # every module of the folder
TEMPLATES = "cbir/reports/templates"  # these count together: a page takes what it includes from all of them
READ = {"cbir/reports/html.py": TEMPLATES}


def code_of(stage: str) -> set[str]:
    """Paths of the repository's modules that tasks/<stage>.py imports, directly or through others, and itself."""
    return imported(f"tasks/{stage}.py")


def imported(module: str) -> set[str]:
    """Paths of the repository's modules that this one imports, directly or through others, and itself."""
    paths: set[str] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path in paths:
            continue
        paths.add(path)
        waiting += _imports(ROOT / path)
        if path in LOADED_BY_NAME:
            waiting += modules_below(LOADED_BY_NAME[path])
        if path in READ:
            paths |= {_relative(file) for file in (ROOT / READ[path]).iterdir()}
    return paths


def modules_below(folder: str) -> set[str]:
    """Paths of the modules in a folder, at any depth; the files __init__.py are empty, as test_layers.py says."""
    return {_relative(path) for path in (ROOT / folder).rglob("[!_]*.py")}


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    files = [ROOT / (name.replace(".", "/") + ".py") for name in names if name.partition(".")[0] in LAYERS]
    return [_relative(file) for file in files if file.exists()]


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _files_of(dependency: str) -> set[str]:
    path = ROOT / dependency
    if not path.is_dir():
        return {dependency}
    return {_relative(file) for file in path.rglob("*") if file.is_file() and not file.match("__*__*")} - {
        _relative(file) for file in path.rglob("__pycache__/*")
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
