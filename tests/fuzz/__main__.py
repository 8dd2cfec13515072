"""Fuzzes what the program reads: images, tables, bombs and names, until a time is over.

``make fuzz ARGS="--seconds 300"``. Each fault is made small and put into ``tests/regressions``, and a test replays it.
"""

import argparse
import hashlib
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tests.fuzz import bombs, images, names, tables
from tests.fuzz.image_seeds import seed
from tests.fuzz.minimising import minimised
from tests.fuzz.table_seeds import Book
from tests.fuzz.verdicts import FAULTS, Case, Figures, Outcome, Verdict, table

REGRESSIONS = Path(__file__).parents[1] / "regressions"
SHARES = {"images": 0.55, "tables": 0.3, "bombs": 0.05, "names": 0.1}  # of the time

T = TypeVar("T")


def main() -> int:
    """Fuzzes, prints the figures, and returns 1 where there was a fault."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="time for all kinds together")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="same seed, same inputs")
    parser.add_argument("--only", choices=[*SHARES], help="one kind")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode images")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    kinds = [options.only] if options.only else [*SHARES]
    print(f"seed {options.seed}", flush=True)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            share = 1.0 if options.only else SHARES[kind]
            seconds = share * options.seconds
            figures.append(fuzz(kind, Path(folder), options.seed, seconds=seconds, workers=options.workers))
        faults = [verdict for kind in figures for verdict in kind.faults]
        print(table(figures), flush=True)
        for verdict in faults:
            print(f"{verdict.case.name}: {verdict.outcome}: {verdict.words[:200]}", flush=True)
        for verdict in faults:
            print(f"kept as {keep(verdict, Path(folder))}", flush=True)
    return 1 if faults else 0


def fuzz(
    kind: str, folder: Path, number: int, *, seconds: float = math.inf, most: int | None = None, workers: int = 1
) -> Figures:
    """Tries inputs of one kind for a time, or a number of them; bombs are all tried once, however long that takes."""
    start = time.monotonic()

    def enough(items: Iterator[T]) -> Iterator[T]:
        for item in islice(items, most):
            yield item
            if time.monotonic() > start + seconds:
                return

    figures = Figures(kind)
    figures.add(_tried(kind, folder, number, enough, workers))
    figures.seconds = time.monotonic() - start
    return figures


def _tried(
    kind: str, folder: Path, number: int, enough: Callable[[Iterator[Any]], Iterator[Any]], workers: int
) -> Iterator[Verdict]:
    if kind == "images":
        yield from images.try_all(enough(images.cases(number)), folder=folder, workers=workers)
    elif kind == "tables":
        yield from (tables.try_one(case, folder) for case in enough(tables.cases(number)))
    elif kind == "names":
        yield from enough(names.try_all(number))
    else:
        yield from images.try_all(bombs.images(), folder=folder)
        for name, data in bombs.tables():
            yield tables.try_one(tables.TableCase(name, data, book=Book(name, b"")), folder)


def keep(verdict: Verdict, folder: Path) -> Path:
    """Makes the input of a fault small and keeps it for the test that replays it; its path."""
    case = verdict.case

    def is_faulty(data: bytes) -> bool:
        return _again(verdict, data, folder).outcome in FAULTS

    small = minimised(case.data, is_faulty, intact=_intact_of(case))
    kind = "images" if "." in case.name else "names"
    if isinstance(case, tables.TableCase):
        kind = "captions" if case.book.captions else "tables"
    digest = hashlib.sha256(small).hexdigest()[:8]
    stem, _, suffix = case.name.partition(".")
    path = REGRESSIONS / kind / f"{stem.partition('__')[0]}-{digest}{f'.{suffix}' if suffix else '.txt'}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(small)
    return path


def _intact_of(case: Case) -> bytes:
    if isinstance(case, tables.TableCase):
        return case.book.data
    return seed(case.seed) if case.seed else b""


def _again(verdict: Verdict, data: bytes, folder: Path) -> Verdict:
    """Tries other data in place of a case's; in this process, if the case did not take its worker with it."""
    case = verdict.case
    if isinstance(case, tables.TableCase):
        return tables.try_one(tables.TableCase(case.name, data, case.seed, book=case.book), folder)
    if "." not in case.name:
        return verdict  # Hypothesis has made it short
    tried = Case(case.name, data, case.seed)
    if verdict.outcome is Outcome.WRONG:
        return images.look_at(tried, folder)
    return next(images.try_all([tried], folder=folder))


if __name__ == "__main__":
    sys.exit(main())
