"""The English of the code: docstrings say who does what, names are the field's words, functions and files are short."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("cbir", "tasks", "flows")
MODULES = [path for folder in (*LAYERS, "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
NO_BEGINNINGS = {"What", "Where", "Of", "Which"}  # a sentence that begins so has to be read twice
NO_NAMES = {"found", "one", "there", "some", "told"}  # say nothing of what they hold
MOST_LINES_OF_A_FUNCTION = 50
MOST_LINES_OF_A_FILE = 320

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Returns the nodes of a module's syntax tree."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def docstrings(path: Path) -> Iterator[tuple[Documented, str]]:
    """Yields what is documented, and its docstring."""
    for node in nodes(path):
        if isinstance(node, Documented) and (docstring := ast.get_docstring(node)):
            yield node, docstring


def sentences(docstring: str) -> list[str]:
    """Splits a docstring into sentences, and its sections into their lines."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n\s*\n", docstring) if part.strip()]


def is_exempt(function: Function) -> bool:
    """Tells whether a function is a property, described by a noun, or a command, whose docstring is its ``--help``."""
    decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any("property" in name or name.startswith(("app.command(", "app.callback(")) for name in decorators)


def names(node: ast.AST) -> list[str]:
    """Returns the names that a node binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            return [name]
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.alias(asname=str(name)):
            return [name]
    return []


def where(path: Path, node: ast.AST) -> str:
    """Returns a node's place, as editors open it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def test_no_sentence_of_a_docstring_begins_with_a_relative_clause() -> None:
    assert not [
        f"{where(path, node)}: {sentence}"
        for path in MODULES
        for node, docstring in docstrings(path)
        for sentence in sentences(docstring)
        if re.split(r"\W", sentence, maxsplit=1)[0] in NO_BEGINNINGS
    ]


def test_a_functions_docstring_begins_with_a_verb_in_the_third_person() -> None:
    assert not [
        f"{where(path, node)}: {docstring}"
        for path in MODULES
        if path.relative_to(ROOT).parts[0] in LAYERS
        for node, docstring in docstrings(path)
        if isinstance(node, Function) and not is_exempt(node) and not re.match(r"[A-Z][a-z]*s\b", docstring)
    ]


def test_no_name_is_a_word_that_fits_anything() -> None:
    assert not [
        f"{where(path, node)}: {name}"
        for path in MODULES
        for node in nodes(path)
        for name in names(node)
        if name in NO_NAMES
    ]


@pytest.mark.parametrize("layer", [*LAYERS, "benchmarks"])
def test_functions_are_short(layer: str) -> None:
    modules = [path for path in MODULES if path.relative_to(ROOT).parts[0] == layer]
    assert not [
        where(path, node)
        for path in modules
        for node in nodes(path)
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]


def test_files_are_short() -> None:
    assert not [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES_OF_A_FILE]
