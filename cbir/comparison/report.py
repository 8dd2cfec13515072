"""Writes the files of a study: a page that opens from disk, the same as Markdown, the numbers as CSV, and a plot."""

import re
from pathlib import Path

from cbir.base.display import visible
from cbir.base.files import writing
from cbir.comparison.study import Study, write_csv
from cbir.comparison.tables import Cell, Table, in_words, tables
from cbir.figures.plots import BLUE, DARK, GREY, PALE, figure
from cbir.reports.html import picture, write_html
from cbir.spreadsheet import as_markdown

_ROW = 0.42  # inches of the plot's height that a preset takes


def write_study(folder: Path, done: Study) -> None:
    """Writes ``study.csv``, ``study.png``, ``study.md``, which shows the plot, and ``study.html``, which holds it."""
    write_csv(folder / "study.csv", done)
    write_plot(folder / "study.png", done)
    _write_markdown(folder / "study.md", done)
    failed = [row for row in done.rows if row.failure]
    write_html(
        folder / "study.html",
        "study.html",
        styles=("page.css", "tables.css"),
        study=done,
        failed=failed,
        best=done.best,
        value=in_words(done.best.figures[done.metric]) if done.best else None,
        tables=tables(done),
        plot=picture((folder / "study.png").read_bytes(), "png"),
    )


def write_plot(path: Path, done: Study) -> None:
    """Draws a bar for each preset with its interval, the best above; a preset without the metric has a word in its
    place.
    """
    rows = done.rows[::-1]
    figures = [row.figures.get(done.metric) for row in rows]
    size = (8.5, 1.6 + _ROW * max(len(rows), 2))
    with (
        writing(path) as temporary,
        figure(temporary, title=f"{done.metric} by preset", subtitle="with 95 % intervals", size=size) as axes,
    ):
        for place, (row, value) in enumerate(zip(rows, figures, strict=True)):
            if value is None:
                axes.annotate("failed" if row.failure else "no value", (0.01, place), color=GREY, va="center")
                continue
            axes.barh(place, value.value, height=0.62, color=BLUE if row is done.best else PALE)
            if value.low is not None and value.high is not None:
                axes.plot([value.low, value.high], [place, place], color=DARK, linewidth=1.5, solid_capstyle="butt")
            axes.annotate(f"{value.value:.3f}", (1.01, place), color=DARK, va="center", annotation_clip=False)
        axes.set_yticks(range(len(rows)), [visible(row.preset) for row in rows])
        axes.set(xlim=(0, 1), ylim=(-0.6, max(len(rows), 1) - 0.4), xlabel=done.metric)
        axes.grid(visible=False, axis="y")


def _write_markdown(path: Path, done: Study) -> None:
    note = [as_markdown(done.note), ""] if done.note else []
    lines = ["# Study", "", *note, f"![{done.metric} by preset](study.png)"]
    for table in tables(done):
        lines += ["", f"## {table.title}", "", table.note, "", *_markdown(table)]
    with writing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _markdown(table: Table) -> list[str]:
    header = ["| " + " | ".join(map(as_markdown, table.columns)) + " |", "|---" * len(table.columns) + "|"]
    rows = [
        [
            _strong(as_markdown(row[0].text), row[0]),
            *map(_in_markdown, row[1:]),
            *[""] * (len(table.columns) - len(row)),
        ]
        for row in table.rows
    ]
    return header + ["| " + " | ".join(row) + " |" for row in rows]


def _in_markdown(cell: Cell) -> str:
    """Writes a cell as Markdown; figures and the words beside them were made here and stay as they are."""
    if cell.look == "code":
        return _code(cell.text)
    if cell.look in ("text", "failure"):
        return as_markdown(cell.text)
    strong = _strong(cell.text, cell)
    return f"{strong} ({cell.detail})" if cell.detail else strong


def _strong(text: str, cell: Cell) -> str:
    return f"**{text}**" if cell.look == "best" else text


def _code(text: str) -> str:
    """Writes a code span: between more backticks than it holds, and with the one escape that a table knows there."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if "`" in text else ""
    return f"{fence}{room}{visible(text)}{room}{fence}".replace("|", "\\|")
