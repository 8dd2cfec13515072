"""The house: arrows run one way, flows → tasks → cbir, packages have no circles, and each folder is small."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "cbir": {"flows", "tasks", "prefect", "dvc", "mlflow"},
    "tasks": {"flows", "prefect", "dvc"},
    "flows": {"mlflow"},
}
LAYERS = list(FORBIDDEN)
MODULES = {layer: sorted((ROOT / layer).rglob("*.py")) for layer in LAYERS}
LAZY = ROOT / "cbir/__init__.py"  # the names of the library
MOST_MODULES = 12  # of one folder
MOST_NAMES = 25  # at the top of cbir


@cache
def imported(path: Path) -> frozenset[str]:
    """The dotted names that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return frozenset(names)


def packages(path: Path) -> set[str]:
    """The top-level packages that a module imports."""
    return {name.partition(".")[0] for name in imported(path)}


def room(path: Path) -> str:
    """The package that a module lies in, two levels deep (cbir.labels); a module at the top is a room of its own."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[:2])


def arrows(layer: str) -> dict[str, set[str]]:
    """By each room of a layer, the rooms of the same layer that its modules import."""
    graph: dict[str, set[str]] = {room(path): set() for path in MODULES[layer]}
    for path in MODULES[layer]:
        targets = {".".join(name.split(".")[:2]) for name in imported(path)} & graph.keys()
        graph[room(path)] |= targets - {room(path)}
    return graph


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_nothing_from_above_it(layer: str) -> None:
    for path in MODULES[layer]:
        assert not packages(path) & FORBIDDEN[layer], path


@pytest.mark.parametrize("layer", LAYERS)
def test_packages_import_each_other_without_a_circle(layer: str) -> None:
    graph = arrows(layer)
    assert {*TopologicalSorter(graph).static_order()} == graph.keys()  # raises CycleError, which names the circle


def test_an_import_between_two_rooms_is_an_arrow() -> None:
    assert arrows("cbir")["cbir.groups"] >= {"cbir.archive", "cbir.base"}


def test_mlflow_is_imported_by_one_package() -> None:
    users = {room(path) for layer in LAYERS for path in MODULES[layer] if "mlflow" in packages(path)}
    assert users == {"tasks.tracking"}


def test_the_top_of_cbir_has_few_names() -> None:
    names = {path.relative_to(ROOT / "cbir").parts[0] for path in MODULES["cbir"]} - {"__init__.py"}
    assert len(names) <= MOST_NAMES, sorted(names)


def test_a_folder_has_few_modules() -> None:
    for folder in {path.parent for layer in LAYERS for path in MODULES[layer]}:
        assert len([*folder.glob("[!_]*.py")]) <= MOST_MODULES, folder


def test_packages_run_nothing_when_they_are_imported() -> None:
    for layer in LAYERS:
        for path in MODULES[layer]:
            assert path.name != "__init__.py" or path == LAZY or not path.read_text(encoding="utf-8"), path


def test_the_names_of_cbir_are_lazy() -> None:
    loaded = [node for node in ast.parse(LAZY.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {getattr(node, "module", "") for node in loaded} == {"importlib", "typing"}


def test_the_science_opens_no_params() -> None:
    for path in MODULES["cbir"]:
        constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert "params.yaml" not in constants, path


def test_tests_import_their_helpers_from_tests_support_or_the_fuzzer_and_nothing_else_of_tests_or_benchmarks() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        names = {name for name in imported(path) if name.partition(".")[0] in ("tests", "benchmarks")}
        of_the_fuzzer = path.parent.name in ("fuzz", "regressions")
        rooms = ("tests.support", "tests.fuzz") if of_the_fuzzer else ("tests.support",)
        assert all(name.startswith(rooms) for name in names), (path, names)
