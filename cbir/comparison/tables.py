"""Makes the tables of a study that people read, as texts; the page and the Markdown file both show them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cbir.comparison.paired import Comparison
from cbir.comparison.study import ROBUSTNESS, Figure, Row, Study

MAIN = ("hit_rate@1", "recall@10", "ndcg@10", "micro_ap", "threshold_f1", f"{ROBUSTNESS}recall@1")
_CHANCE = 0.05  # a difference with a larger p-value may be chance
_RECALL = f"{ROBUSTNESS}recall@1_"


@dataclass(frozen=True)
class Cell:
    """A text, a smaller line below it, and its look: ``best``, ``doubt``, ``failure``, ``code``, ``text``, ""."""

    text: str = ""
    detail: str = ""
    look: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its title and a note. The first cell of a row names the preset; a row that failed has one more."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def tables(done: Study) -> list[Table]:
    """Returns the tables of a study that have rows: the main metrics, robustness, published figures, all metrics,
    commands.
    """
    candidates = [_main(done), _robustness(done), _published(done), _all(done), _commands(done)]
    return [table for table in candidates if table.rows]


def in_words(figure: Figure | None) -> Cell:
    """Returns a metric's value and its interval."""
    return Cell("–") if figure is None else Cell(f"{figure.value:.3f}", figure.interval)


def _main(done: Study) -> Table:
    names = [name for name in MAIN if name in done.metrics]
    rows = [[_preset(done, row), *(_failure(row) or _measured(done, row, names))] for row in done.rows]
    note = (
        "Below each value its 95 % interval, from a bootstrap over groups. To the best: the difference in "
        f"{done.metric} on the queries that both rows have, by the paired bootstrap over groups; p is two-sided, with "
        f"Holm's correction for the number of rows, and marked where it is {_CHANCE} or more: such a difference may be "
        "chance. The best row was chosen on these queries, which flatters it a little."
    )
    to_best = ("to the best", "p") if len(rows) > 1 else ()
    columns = ["preset", done.metric, *to_best, *map(_title, names)]
    return Table("Retrieval", note, columns, rows)


def _measured(done: Study, row: Row, names: Sequence[str]) -> list[Cell]:
    figures = row.figures
    tested = _tested(done, row) if len(done.rows) > 1 else []
    values = [in_words(figures.get(name)) for name in names]
    return [in_words(figures.get(done.metric)), *tested, *values]


def _tested(done: Study, row: Row) -> list[Cell]:
    if row is done.best:
        return [Cell("best", look="best"), Cell("–")]
    comparison = done.comparisons.get(row.preset, Comparison(0))
    if comparison.difference is None:
        return [Cell("–", "no shared queries"), Cell("–")]
    between = "" if comparison.interval is None else "{:+.3f} to {:+.3f}".format(*comparison.interval)
    p = done.p_values.get(row.preset)
    if p is None:
        return [Cell(f"{comparison.difference:+.3f}", between), Cell("–")]
    return [Cell(f"{comparison.difference:+.3f}", between), Cell(f"{p:.3f}", look="doubt" if p >= _CHANCE else "")]


def _robustness(done: Study) -> Table:
    kinds = [name for name in done.metrics if name.startswith(_RECALL)]
    names = [f"{ROBUSTNESS}recall@1", *kinds, f"{ROBUSTNESS}mrr"]
    rows = [[_preset(done, row), *_values(row, names)] for row in done.rows if row.robustness]
    note = (
        "Of images of the archive, altered copies were added to the gallery: the part of them that came back at rank 1 "
        "(recall@1), by kind of alteration, and the mean over the kinds."
    )
    columns = ["preset", "mean", *(name.removeprefix(_RECALL) for name in kinds), "mrr"]
    return Table("Robustness", note, columns, rows)


def _published(done: Study) -> Table:
    rows = []
    for row in done.rows:
        ours = row.figures
        cells = [
            Cell(f"{row.published[name]:.3f}", f"here {ours[name].value:.3f}" if name in ours else "")
            if name in row.published
            else Cell("–")
            for name in done.published
        ]
        rows += [[_preset(done, row), *cells]] if row.published else []
    note = (
        "What the systems' own reports say. They were measured on other archives and by other protocols (groups of "
        "one as queries, other splits and galleries, hit rate called recall), so no figure here can be held against "
        "one of this study or of another report; below each what this study measured under its name."
    )
    return Table("Published figures", note, ["preset", *done.published], rows)


def _all(done: Study) -> Table:
    rows = [[_preset(done, row), *(_failure(row) or _values(row, done.metrics))] for row in done.rows]
    columns = ["preset", *map(_title, done.metrics)]
    return Table("All metrics", "Every metric with its 95 % interval; study.csv holds the same.", columns, rows)


def _commands(done: Study) -> Table:
    rows = [
        [
            _preset(done, row),
            *(Cell(_duration(seconds)) for seconds in (row.training_seconds, row.embedding_seconds)),
            Cell(row.command, look="code"),
            Cell(row.description, look="text"),
        ]
        for row in done.rows
    ]
    note = "What each row is, what it took, and the command that reproduces it."
    return Table("Time and commands", note, ["preset", "training", "embedding", "command", "what it is"], rows)


def _preset(done: Study, row: Row) -> Cell:
    return Cell(row.preset, look="best" if row is done.best else "")


def _failure(row: Row) -> list[Cell]:
    return [Cell(row.failure, look="failure")] if row.failure else []


def _values(row: Row, names: Sequence[str]) -> list[Cell]:
    figures = row.figures
    return [in_words(figures.get(name)) for name in names]


def _title(name: str) -> str:
    return name.replace(ROBUSTNESS, "robustness ")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
