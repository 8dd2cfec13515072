"""Keeps the verdicts on a drawn sheet as they are given, pair by pair, each in the file before the next."""

import csv
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cbir.audit.sheet import COLUMNS, VERDICTS, Verdicts
from cbir.base.errors import UserError
from cbir.spreadsheet import write_csv


@dataclass(frozen=True)
class Item:
    """A row of a sheet.

    Attributes:
        first, second: names of the files; first_image and second_image their image_ids.
        verdict: right, wrong, unsure, or empty; person and time say who gave it and when (ISO 8601, UTC).
    """

    number: int
    first: str
    second: str
    first_image: str
    second_image: str
    verdict: str
    person: str
    time: str


class Sheet:
    """Holds a sheet of ``cbir audit draw`` that is judged on pages, by several people at once.

    Args:
        path: of the sheet.

    Raises:
        UserError: it is not as it was drawn.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._table = _read(path)
        self.name: str = self._table["sheet"].iloc[0]

    @property
    def items(self) -> list[Item]:
        """The rows, in their order."""
        names = [*Item.__annotations__]
        rows = self._table[names].assign(number=self._table["number"].astype(int))
        return [Item(*row) for row in rows.itertuples(index=False, name=None)]

    def verdicts(self) -> Verdicts:
        """Returns the verdicts as ``cbir.audit.sheet.read_verdicts`` counts them."""
        given = [VERDICTS[item.verdict] for item in self.items if item.verdict]
        return Verdicts(self.name, len(self._table), len(given), given.count(False))

    def item(self, number: int) -> Item:
        """Returns a row; raises UserError where the sheet has none of this number."""
        rows = [item for item in self.items if item.number == number]
        if not rows:
            raise UserError(f"the sample has the pairs 1 to {len(self._table)}, and none of number {number}")
        return rows[0]

    def next(self, *, after: int = 0, busy: Sequence[int] = ()) -> int | None:
        """Returns the number of the pair to judge after another one, round the end; None where all are judged.

        Args:
            busy: pairs that others look at, which come if nothing else is left.
        """
        waiting = [item.number for item in self.items if not item.verdict]
        order = sorted(waiting, key=lambda number: (number in busy, number == after, number <= after, number))
        return order[0] if order else None

    def judge(self, number: int, verdict: str, person: str) -> None:
        """Keeps a verdict; it is in the file when this returns.

        Raises:
            UserError: there is no such pair or verdict.
        """
        if verdict not in VERDICTS:
            raise UserError(f"verdict must be one of {', '.join(VERDICTS)}, is {verdict!r}")
        self._write(self.item(number).number, verdict, person, datetime.now(UTC).isoformat(timespec="milliseconds"))

    def last(self, person: str) -> Item | None:
        """Returns the pair that a person judged last; None where there is none."""
        return max((item for item in self.items if item.person == person), key=lambda item: item.time, default=None)

    def undo(self, person: str) -> Item | None:
        """Takes back a person's last verdict and returns what it was; None where there is none."""
        if item := self.last(person):
            self._write(item.number, "", "", "")
        return item

    def _write(self, number: int, *cells: str) -> None:
        with self._lock:
            table = self._table.copy()
            table.loc[table["number"] == str(number), ["verdict", "person", "time"]] = list(cells)
            write_csv(self.path, table)
            self._table = table


def _read(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as the sheet of an audit; `cbir audit draw` makes one") from error
    if tuple(header) != COLUMNS or not rows or any(len(row) != len(COLUMNS) for row in rows):
        raise UserError(
            f"{path} is not as `cbir audit draw` writes it; report it with `cbir audit report`, or move it away"
        )
    table = pd.DataFrame(rows, columns=[*COLUMNS], dtype=object)
    bad = [verdict for verdict in table["verdict"] if verdict and verdict not in VERDICTS]
    if bad or not all(number.isdecimal() for number in table["number"]):
        raise UserError(f"{path} has a verdict or a number that is none; mend it, or move it away")
    return table
