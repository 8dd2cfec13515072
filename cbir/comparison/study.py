"""Makes the table of a study: a row a preset, every metric with its interval, and a paired test against the
best row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.base.files import writing
from cbir.comparison.paired import Comparison, compare, holm
from cbir.spreadsheet import as_text

ROBUSTNESS = "robustness/"  # prefix of the names of robustness.json, because metrics.json has some of them too


@dataclass(frozen=True)
class Figure:
    """A metric's value with its 95 % interval, which a metric of one group has not."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> str:
        """The interval in words; empty where there is none."""
        return "" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """The results of one preset: either metrics or a failure.

    Attributes:
        preset: its name.
        description: one line.
        command: the command that reproduces the row.
        published: figures of the system's own report, by the names of metrics.json where they mean the same.
        metrics: the content of metrics.json.
        robustness: the content of robustness.json; None where it was not measured.
        per_query: reports/per_query.parquet, for the paired test; None: the row is not tested.
        training_seconds, embedding_seconds: None where there was none.
        failure: the sentence that says why there are no metrics.
    """

    preset: str
    description: str
    command: str
    published: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, Any] | None = None
    robustness: Mapping[str, Any] | None = None
    per_query: pd.DataFrame | None = None
    training_seconds: float | None = None
    embedding_seconds: float | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        if (self.metrics is None) == (self.failure is None):
            raise ValueError(f"the row of {self.preset} must have either metrics or a failure")

    @property
    def figures(self) -> dict[str, Figure]:
        """Metrics that have a value, those of robustness.json with the prefix ``ROBUSTNESS``."""
        prefixes = (("", self.metrics or {}), (ROBUSTNESS, self.robustness or {}))
        return {prefix + name: figure for prefix, document in prefixes for name, figure in figures_of(document).items()}


@dataclass(frozen=True)
class Study:
    """The rows of a study, the best first and those that failed last, and how far each is from the best.

    Attributes:
        rows: by falling ``metric``.
        metric: by which they are ranked and tested.
        comparisons: with the best row, by preset; the best row and rows that cannot be tested are not in it.
        p_values: of the comparisons that have one, with Holm's correction for their number.
        note: a remark on how all rows were made; empty for none.
    """

    rows: tuple[Row, ...]
    metric: str
    comparisons: Mapping[str, Comparison]
    p_values: Mapping[str, float]
    note: str = ""

    @property
    def best(self) -> Row | None:
        """The row with the highest metric; None where no row has it."""
        return self.rows[0] if self.rows and self.metric in self.rows[0].figures else None

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics that any row has, in the order of their documents."""
        names = dict.fromkeys(name for row in self.rows for name in row.figures)
        return sorted(names, key=lambda name: name.startswith(ROBUSTNESS))

    @property
    def published(self) -> list[str]:
        """Names of all figures that were published for any row."""
        return list(dict.fromkeys(name for row in self.rows for name in row.published))


def study(
    rows: Sequence[Row], *, note: str = "", metric: str = "map@10", resamples: int = 10_000, seed: int = 0
) -> Study:
    """Ranks the rows, and tests each against the best one on the queries that both have
    (:mod:`cbir.comparison.paired`).

    Rows of the same value stay in the order in which they came.
    """
    ranked = sorted(rows, key=lambda row: (row.failure is not None, -_value(row, metric)))
    best = ranked[0].per_query if ranked and metric in ranked[0].figures else None
    comparisons = {
        row.preset: compare(row.per_query, best, metric=metric, resamples=resamples, seed=seed)
        for row in ranked[1:]
        if best is not None and row.per_query is not None
    }
    tested = {
        preset: comparison.p_value for preset, comparison in comparisons.items() if comparison.p_value is not None
    }
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return Study(tuple(ranked), metric, comparisons, corrected, note)


def write_csv(path: Path, done: Study) -> None:
    """Writes everything, a row a preset, for programs: numbers with 6 digits, and no cell that runs as a formula."""
    table = pd.DataFrame([dict(_cells(done, row)) for row in done.rows])
    with writing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def _cells(done: Study, row: Row) -> Iterator[tuple[str, str | float | None]]:
    yield from (("preset", as_text(row.preset)), ("description", as_text(row.description)))
    figures = row.figures
    for name in done.metrics:
        figure = figures.get(name)
        values = (figure.value, figure.low, figure.high) if figure else (None, None, None)
        yield from zip((name, f"{name}_low", f"{name}_high"), values, strict=True)
    tested, to_best = done.comparisons.get(row.preset, Comparison(0)), f"{done.metric}_to_best"
    low, high = tested.interval or (None, None)
    yield from ((to_best, tested.difference), (f"{to_best}_low", low), (f"{to_best}_high", high))
    yield from (("p_value", tested.p_value), ("p_value_holm", done.p_values.get(row.preset)))
    yield "shared_queries", tested.queries
    yield from ((f"published_{name}", row.published.get(name)) for name in done.published)
    yield from (("training_seconds", row.training_seconds), ("embedding_seconds", row.embedding_seconds))
    yield from (("failure", as_text(row.failure or "")), ("command", as_text(row.command)))


def figures_of(document: Mapping[str, Any]) -> dict[str, Figure]:
    """Returns the numbers at the top of a metrics file by name, each with its interval from ``ci95``."""
    between = document.get("ci95", {})
    numbers = {name: value for name, value in document.items() if type(value) in (int, float)}
    return {name: Figure(float(value), **(between.get(name) or {})) for name, value in numbers.items()}


def _value(row: Row, metric: str) -> float:
    figure = row.figures.get(metric)
    return figure.value if figure else float("-inf")
