"""Runs every benchmark for `make bench`, prints a line for each figure, and writes all of them to
reports/bench.json.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import Figure
from cbir.base.files import writing

QUICK = ("reading", "embedding", "indexing", "noop", "promise")
LONG = (
    "historical",
    "xray",
    "training",
    "reprints",
    "refresh",
    "reviewers",
)  # on real photographs, but for the last: an hour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which; default: {' '.join(QUICK)}; also {' '.join(LONG)}")
    names = parser.parse_args().names or QUICK
    unknown = set(names) - {*QUICK, *LONG}
    if unknown:
        sys.exit(f"error: {unknown.pop()} is no benchmark; there are {', '.join((*QUICK, *LONG))}")
    figures: list[Figure] = []
    for name in names:
        for figure in importlib.import_module(f"benchmarks.{name}").run():
            figures.append(figure)
            print(_line(figure), flush=True)
    _write(Path("reports/bench.json"), figures)
    if any(figure.passed is False for figure in figures):
        sys.exit("error: a figure missed its bar")


def _line(figure: Figure) -> str:
    against = f" against {figure.baseline}" if figure.baseline else ""
    sign = "at least" if figure.higher_is_better else "at most"
    bar = "" if figure.bar is None else f" ({sign} {figure.bar:g}: {'met' if figure.passed else 'MISSED'})"
    value = f"{figure.value:.3g}" if abs(figure.value) < 1000 else f"{figure.value:.0f}"
    return f"{figure.name}: {value} {figure.unit}{against}{bar}{'  ' + figure.detail if figure.detail else ''}"


def _write(path: Path, figures: list[Figure]) -> None:
    """Adds the figures to those of earlier runs; a figure measured again replaces its older value."""
    earlier = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else []
    new = {figure.name: {**asdict(figure), "passed": figure.passed} for figure in figures}
    kept = [figure for figure in earlier if figure["name"] not in new]
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    with writing(path) as temporary:
        temporary.write_text(
            json.dumps({"machine": machine, "figures": [*kept, *new.values()]}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
