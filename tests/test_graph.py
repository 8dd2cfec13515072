"""dvc.yaml names all code that a stage runs, so that no edit leaves a stale result."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
GRAPHS = [ROOT / "dvc.yaml", *sorted(ROOT.glob("presets/stages/*.yaml"))]
STAGES = {name: stage for path in GRAPHS for name, stage in YAML(typ="safe").load(path)["stages"].items()}
LAYERS = ("cbir", "tasks")
FOUND_BY_NAME = {"cbir/objective.py": "cbir/methods"}  # a module that loads every module of a folder by its name
READ = {  # modules that read files of cbir/templates
    "cbir/report_page.py": ["page.css", "report.css", "report.html", "report.js"],
    "cbir/webpage.py": ["page.html"],
    "cbir/robustness_page.py": ["page.css", "robustness.css", "robustness.html", "tables.css"],
}


def code_of(stage: str) -> set[str]:
    """Paths of the repository's modules that tasks/<stage>.py imports, directly or through others, and itself."""
    return imported(f"tasks/{stage}.py")


def imported(module: str) -> set[str]:
    """Paths of the repository's modules that this one imports, directly or through others, and itself."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += _imports(ROOT / path)
        if path in FOUND_BY_NAME:
            waiting += [_relative(module) for module in (ROOT / FOUND_BY_NAME[path]).glob("[!_]*.py")]
        if path in READ:
            found |= {f"cbir/templates/{name}" for name in READ[path]}
    return found


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


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_it_runs_and_on_no_other(stage: str) -> None:
    declared = {path for path in STAGES[stage]["deps"] if path.startswith(LAYERS)}
    assert declared == code_of(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_run_by_the_module_of_its_name(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m tasks.{stage}"


def test_every_task_is_a_stage_or_serves_them_all() -> None:
    serving = {
        "settings",
        "stage",
        "threshold",
        "starter",
        "tracking",
        "findings",
        "nested",
        "recorder",
        "registry",
        "arrivals",
    }
    assert {path.stem for path in (ROOT / "tasks").glob("[!_]*.py")} == {*STAGES, *serving}


def test_training_takes_every_setting_of_its_section_but_the_accessions() -> None:
    settings = YAML(typ="safe").load(ROOT / "params.yaml")["train"]
    wanted = {"images", *(f"train.{name}" for name in settings if name != "accessions")}
    assert set(STAGES["train"]["params"]) == wanted, "dvc.yaml must name each: what it leaves out, `train` does not get"
