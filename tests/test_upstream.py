"""Workarounds wait for an issue: one that has an address, or one whose text stands in docs/upstream.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
REFERENCE = r"docs/upstream\.md, (\w+: [-\w ]+)[.;)]"
PAGE = ROOT / "docs/upstream.md"


def _texts() -> dict[str, str]:
    """Code and settings, with what goes on in the next line of a comment or a docstring joined."""
    files = [file for folder in ("cbir", "tasks", "flows") for file in (ROOT / folder).rglob("*.py")]
    files.append(ROOT / "pyproject.toml")
    return {str(file.relative_to(ROOT)): re.sub(r"\s*\n\s*#?\s*", " ", file.read_text("utf-8")) for file in files}


def _named() -> set[str]:
    return {name for text in _texts().values() for name in re.findall(REFERENCE, text)}


def _headings() -> list[str]:
    return re.findall(r"^### (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_what_a_workaround_names_is_a_heading_and_each_heading_is_named() -> None:
    assert sorted(_headings()) == sorted(_named())


def test_every_reference_to_the_page_names_a_heading() -> None:
    for file, text in _texts().items():
        for rest in text.split("docs/upstream.md")[1:]:
            assert re.match(REFERENCE, f"docs/upstream.md{rest}"), f"{file}: docs/upstream.md{rest[:40]}"
