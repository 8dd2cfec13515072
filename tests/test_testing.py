"""docs/testing.md and the order of the tests name tests and files that are there."""

import re
from pathlib import Path

from tests.support.order import LONGEST, TESTS, place

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


def test_the_files_that_take_longest_are_there_and_come_first() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert [place(TESTS / name) for name in LONGEST] == list(range(len(LONGEST)))
    assert place(Path(__file__)) == len(LONGEST)
