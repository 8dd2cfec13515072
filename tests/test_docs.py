"""The pages for people: links lead somewhere, modules that they name are there, and the README stays short."""

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from flows.cli import app

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


def _commands() -> list[str]:
    """The lines of the pages that call cbir, without what follows a comment sign, a pipe or a second command."""
    blocks = [block for page in PAGES for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.S | re.M)]
    parts = [part.strip() for block in blocks for line in block.splitlines() for part in re.split(r"&&|[|;#]", line)]
    return sorted({part for part in parts if part.startswith("cbir ") and "…" not in part})


@pytest.mark.parametrize("line", _commands())
def test_commands_of_the_pages_are_ones_that_the_program_takes(line: str) -> None:
    program: Any = get_command(app)  # a group of commands; typer brings its own copy of click
    context = program.make_context("cbir", shlex.split(line)[1:])
    name, command, words = program.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    command.make_context(
        name, words, parent=context
    )  # an option or a number of words that it does not have is an error


def test_the_site_has_every_page() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"- {page.name}\n" not in site] == []
