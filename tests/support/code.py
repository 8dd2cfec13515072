"""Finds the modules of the repository that a module runs, by following the imports."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = ("cbir", "tasks")
LOADED_BY_NAME = {  # every module of the folder
    "cbir/training/objective.py": "cbir/training/methods",
    "cbir/encoders/backbones/build.py": "cbir/encoders/backbones",
}
TEMPLATES = "cbir/reports/templates"  # these count together: a page takes what it includes from all of them
READ = {
    "cbir/reports/html.py": TEMPLATES,
    "cbir/matching/local/voting.py": "cbir/matching/local/words.npy",
    "cbir/matching/learned/points.py": "cbir/matching/learned/weights",
    "cbir/matching/probability.py": "cbir/matching/probability.json",
    "cbir/training/shipped/loading.py": "cbir/training/shipped/weights",
}


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
            data = ROOT / READ[path]
            paths |= {relative(file) for file in (data.iterdir() if data.is_dir() else [data])}
    return paths


def modules_below(folder: str) -> set[str]:
    """Paths of the modules in a folder, at any depth; the files __init__.py are empty, as test_layers.py says."""
    return {relative(path) for path in (ROOT / folder).rglob("[!_]*.py")}


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    files = [ROOT / (name.replace(".", "/") + ".py") for name in names if name.partition(".")[0] in LAYERS]
    return [relative(file) for file in files if file.exists()]


def relative(path: Path) -> str:
    """The path from the repository's root, as dvc.yaml writes it."""
    return path.relative_to(ROOT).as_posix()
