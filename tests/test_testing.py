"""docs/testing.md names tests and files that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")


def test_each_test_that_the_page_names_is_there() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    names = set(re.findall(r"\btest_\w+(?!\w|\.py)", PAGE))
    assert {name[:7] for name in names} >= {f"test_i{number}" for number in range(1, 10)}
    assert [name for name in sorted(names) if f"def {name}(" not in code] == []


def test_each_path_that_the_page_names_is_there() -> None:
    paths = re.findall(r"\btests/[\w/.]*\w", PAGE)
    assert [path for path in paths if not (ROOT / path).exists()] == []
