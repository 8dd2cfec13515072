"""The pages for people: links lead somewhere, modules that they name are there, and the README stays short."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LONGEST_README = 120  # lines


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_paths_of_code_are_those_of_files_that_are_there(page: Path) -> None:
    paths = re.findall(r"`((?:cbir|tasks|flows|tests|benchmarks|docs)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_imports_in_the_architecture_work() -> None:
    block = re.search(r"```python\n(from .*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    assert block is not None
    for node in ast.parse(block[1]).body:
        assert isinstance(node, ast.ImportFrom) and node.module
        module = importlib.import_module(node.module)
        assert all(hasattr(module, name.name) for name in node.names), node.module


def test_the_readme_is_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README
