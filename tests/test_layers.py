"""The layers: arrows run one way, flows → tasks → cbir, and MLflow is imported in one place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "cbir": {"flows", "tasks", "prefect", "dvc", "mlflow"},
    "tasks": {"flows", "prefect", "dvc"},
    "flows": {"mlflow"},
}


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_imports_nothing_from_above_it(layer: str) -> None:
    for path in (ROOT / layer).rglob("*.py"):
        assert not imported(path) & FORBIDDEN[layer], path


def test_mlflow_is_imported_by_one_module() -> None:
    users = {path for layer in FORBIDDEN for path in (ROOT / layer).rglob("*.py") if "mlflow" in imported(path)}
    assert users == {ROOT / "tasks/tracking.py"}


def test_the_science_opens_no_params() -> None:
    for path in (ROOT / "cbir").rglob("*.py"):
        constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert "params.yaml" not in constants, path
