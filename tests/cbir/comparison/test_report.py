"""Tests of cbir.comparison.report."""

import base64
from html.parser import HTMLParser
from pathlib import Path

import cv2
from markdown_it import MarkdownIt

from cbir.base.display import visible
from cbir.comparison.report import write_study
from cbir.comparison.study import Study, study
from tests.support.findings import EVIL
from tests.support.study_rows import ROBUSTNESS, failed, measured

ROWS = [
    measured("strong", [0.9, 0.8, 0.9, 0.7], robustness=ROBUSTNESS, published={"map@10": 0.3789}),
    measured("weak", [0.1, 0.2, 0.1, 0.3]),
    failed("broken", "no captions"),
]


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def write(folder: Path, done: Study | None = None) -> Path:
    write_study(folder, done or study(ROWS, resamples=100))
    return folder


def test_a_study_is_four_files(tmp_path: Path) -> None:
    names = {path.name for path in write(tmp_path).iterdir()}
    assert names == {"study.csv", "study.png", "study.md", "study.html"}


def test_the_page_names_the_best_and_shows_every_table(tmp_path: Path) -> None:
    page = Page(write(tmp_path) / "study.html")
    assert "strong is best by map@10: 0.825 (95 %: 0.725 to 0.925)." in " ".join(page.text.split())
    assert "1 of them failed" in page.text
    assert page.count("table") == 5
    assert "Failed: no captions" in page.text


def test_page_and_markdown_say_how_all_rows_were_made(tmp_path: Path) -> None:
    page = write(tmp_path, study(ROWS, note="Made of small <networks>.", resamples=50)) / "study.html"
    assert '<p class="note">Made of small &lt;networks&gt;.</p>' in page.read_text(encoding="utf-8")
    assert "Made of small" in (tmp_path / "study.md").read_text(encoding="utf-8").split("![", 1)[0]


def test_the_page_holds_the_plot_and_loads_nothing(tmp_path: Path) -> None:
    page = Page(write(tmp_path) / "study.html")
    pictures = [attributes["src"] or "" for tag, attributes in page.elements if tag == "img"]
    content = base64.b64decode(pictures[0].removeprefix("data:image/png;base64,"))
    assert content == (tmp_path / "study.png").read_bytes()
    assert page.count("script") == 0
    assert [attributes["href"] for tag, attributes in page.elements if tag in ("a", "link")] == ["data:,"]


def test_no_text_of_a_preset_becomes_markup(tmp_path: Path) -> None:
    evil = " ".join(EVIL)
    rows = [measured("a", [0.9, 0.8], description=evil, command=evil, published={evil: 0.5}), failed("b", evil)]
    plain = [measured("a", [0.9, 0.8], description="a", command="a", published={"a": 0.5}), failed("b", "a")]
    pages = [
        Page(write(tmp_path / name, study(content)) / "study.html") for name, content in (("e", rows), ("p", plain))
    ]
    assert [tag for tag, _ in pages[0].elements] == [tag for tag, _ in pages[1].elements]


def test_the_markdown_has_the_plot_and_tables_whose_rows_all_have_the_columns_of_their_header(tmp_path: Path) -> None:
    lines = (write(tmp_path) / "study.md").read_text(encoding="utf-8").splitlines()
    assert "![map@10 by preset](study.png)" in lines
    assert [line for line in lines if line.startswith("## ")][:2] == ["## Retrieval", "## Robustness"]
    assert "`cbir run --preset weak`" in "\n".join(lines)
    width = 0
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            width = line.count("|") if not before.startswith("|") else width
            assert line.count("|") == width, line


def test_the_name_of_a_preset_is_text_in_plot_and_markdown(tmp_path: Path) -> None:
    evil = "$\\frac$ [x](javascript:alert(1)) <b>|`\x1b"
    rows = [
        measured("a", [0.9, 0.8]),
        measured(evil, [0.1, 0.2], command=f"cbir run --preset '{evil}'"),
        failed("b", evil),
    ]
    lines = (write(tmp_path, study(rows, resamples=50)) / "study.md").read_text(encoding="utf-8").splitlines()
    tables = MarkdownIt("commonmark").enable("table").parse("\n".join(lines))
    inlines = [child for token in tables if token.type == "inline" for child in token.children or []]
    assert {child.type for child in inlines} <= {
        "text",
        "text_special",
        "code_inline",
        "strong_open",
        "strong_close",
        "image",
    }
    codes = [child.content for child in inlines if child.type == "code_inline"]
    assert f"cbir run --preset '{visible(evil)}'" in codes
    assert (tmp_path / "study.png").exists()


def test_the_plot_grows_with_the_presets(tmp_path: Path) -> None:
    many = [measured(f"preset-{n}", [n / 20, n / 20]) for n in range(13)]
    heights = [
        cv2.imread(str(write(tmp_path / name, done) / "study.png")).shape[0]
        for name, done in {"few": study(ROWS, resamples=50), "many": study(many, resamples=50)}.items()
    ]
    assert heights[1] > 2 * heights[0]


def test_a_study_of_failures_alone_is_written_all_the_same(tmp_path: Path) -> None:
    page = Page(write(tmp_path, study([failed("a"), failed("b")])) / "study.html")
    assert "No preset could be measured by map@10." in page.text


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        write(tmp_path / folder)
    for name in ("study.csv", "study.png", "study.md", "study.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name
