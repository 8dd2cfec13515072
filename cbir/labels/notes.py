"""Writes the report on names that came to nothing, in words for the person who keeps the list."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from cbir.labels.layouts.reading import Mention
from cbir.labels.names import Match, NameIndex, Problem
from cbir.spreadsheet import write_csv

_SHOWN = 5  # candidates in a cell of the report
_SUGGESTED = 1000
_REPORT = ["file", "row", "name", "problem", "candidates", "what to do"]
_ADVICE = {
    Problem.UNMATCHED: "correct the name, or bring the file in",
    Problem.AMBIGUOUS: "write the folder before the name, and the extension behind it",
    Problem.REJECTED: "mend or replace the file; reports/cleaning.csv has it too",
}


@dataclass(frozen=True, order=True)
class Note:
    """Holds a line of the report: why a name of a reference file gave nothing, or what is odd about it."""

    file: str
    row: int
    name: str
    problem: str
    candidates: tuple[str, ...] = ()
    advice: str = ""


def note_of(match: Match, *, file: str, mention: Mention) -> Note:
    """Makes the report's line for a name that meant no image."""
    assert match.problem is not None
    problem = f"{match.problem} ({match.reason})" if match.reason else str(match.problem)
    return Note(file, mention.row, mention.name, problem, match.candidates, _ADVICE[match.problem])


def note_of_sheet(file: str, sheet: str) -> Note:
    """Makes the report's line for a sheet of a workbook that holds text and was not read."""
    advice = "nothing, or move its rows to the sheet that is read or to a file of their own"
    return Note(file, 0, f"sheet {sheet}", "sheet not read", advice=advice)


def suggest_names(notes: Iterable[Note], index: NameIndex) -> tuple[Note, ...]:
    """Returns the notes, with the nearest names for the first thousand that matched nothing: more are no slips."""
    notes = tuple(notes)
    names = dict.fromkeys(note.name for note in notes if note.problem == Problem.UNMATCHED)
    nearest = {name: index.nearest(name) for name in itertools.islice(names, _SUGGESTED)}
    return tuple(
        replace(note, candidates=nearest.get(note.name, ())) if note.problem == Problem.UNMATCHED else note
        for note in notes
    )


def write_notes(path: Path, notes: Iterable[Note]) -> None:
    """Writes the report, a CSV for people."""
    lines = []
    for note in notes:
        shown = " | ".join(note.candidates[:_SHOWN])
        more = f" | and {len(note.candidates) - _SHOWN} more" if len(note.candidates) > _SHOWN else ""
        lines.append((note.file, note.row or None, note.name, note.problem, shown + more, note.advice))
    write_csv(path, pd.DataFrame(lines, columns=_REPORT, dtype=object))
