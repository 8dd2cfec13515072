"""Tests of cbir.reports.html."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from cbir.comparison.study import study
from cbir.reports.html import picture, write_html
from tests.support.study_rows import failed, measured


def write(path: Path, **changes: object) -> str:
    values = {"study": study([measured("a", [0.5])]), "failed": [], "best": None, "value": None, "tables": []}
    write_html(path, "study.html", styles=("page.css", "tables.css"), **(values | {"plot": "data:,"} | changes))
    return path.read_text(encoding="utf-8")


def test_the_style_sheets_stand_in_the_page_under_the_digest_that_lets_them_run(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html")
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    templates = Path(__file__).parents[3] / "cbir/reports/templates"
    assert style[1] == "".join((templates / name).read_text(encoding="utf-8") for name in ("page.css", "tables.css"))
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()}'" in page


def test_values_are_escaped(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", plot='"><script>alert(1)</script>')
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_control_and_directional_characters_of_a_value_are_shown(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", study=study([measured("a", [0.5])], note="a\x07\u202eb\u200f"))
    assert "a\ufffd\ufffdb\ufffd" in page
    assert not re.search("[\x07\u202e\u200f]", page)


def test_a_value_that_the_template_wants_and_nobody_gave_is_an_error_and_leaves_no_page(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        write_html(tmp_path / "x.html", "study.html", styles=("page.css",), study=study([failed("a")]))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_its_own_address() -> None:
    assert picture(b"\x89PNG", "png") == "data:image/png;base64,iVBORw=="
