"""Runs an audit on pages: draws a sample, hands out its pairs to be judged, and concludes when all are."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cbir.archive.manifest import read_manifest
from cbir.audit.bounds import fewest_judged
from cbir.audit.certificate import Certificate, Stand, names_of, read_certificate, witnessed
from cbir.audit.conclusion import conclude
from cbir.audit.draw import draw_pairs
from cbir.audit.judging import Sheet
from cbir.audit.record import count_pairs, digest_of, write_audit
from cbir.audit.sheet import write_sheet
from cbir.base.errors import UserError
from cbir.groups.table import read_groups

MOST_WRONG = 3  # of the samples that are offered


@dataclass(frozen=True)
class AuditFiles:
    """Names the files of audits.

    Attributes:
        sheet: of the sample that is being judged.
        audits: folder of those that are kept.
        archive: folder of the images.
        manifest, groups, encoder: what runs have made.
    """

    sheet: Path
    audits: Path
    archive: Path
    manifest: Path
    groups: Path
    encoder: Path


@dataclass(frozen=True)
class Progress:
    """Says how far a sample is judged, and nothing of the verdicts."""

    judged: int
    pairs: int


class Auditor:
    """Serves the people who judge the sample of a workspace.

    Args:
        target: share of right pairs that is to be promised.
    """

    def __init__(self, files: AuditFiles, *, target: float) -> None:
        self._files, self.target = files, target
        self._sheet: tuple[tuple[int, int], Sheet] | None = None
        self._looking: dict[str, int] = {}  # the pair that a person looks at
        self._lock = threading.RLock()

    def sheet(self) -> Sheet | None:
        """Returns the sheet, as it is now, where one was drawn; raises UserError where it is not as it was drawn."""
        with self._lock:
            try:
                status = self._files.sheet.stat()
            except FileNotFoundError:
                return None
            state = status.st_mtime_ns, status.st_ino
            if self._sheet is None or self._sheet[0] != state:
                self._sheet = state, Sheet(self._files.sheet)
            return self._sheet[1]

    def progress(self) -> Progress | None:
        """Returns how far the sample is judged; None where none was drawn."""
        sheet = self.sheet()
        return Progress(sum(bool(item.verdict) for item in sheet.items), len(sheet.items)) if sheet else None

    def is_stale(self) -> bool:
        """Tells whether the groups have changed since the sample was drawn."""
        sheet = self.sheet()
        return sheet is not None and not sheet.name.startswith(f"{digest_of(self._groups())}-")

    def offers(self) -> list[tuple[int, int]]:
        """Returns how many pairs have to be judged for the promise if so many are wrong: (pairs, wrong).

        Raises:
            UserError: no sample can promise the target.
        """
        if self.target >= 1:
            raise UserError("evaluate.target_precision is 1, which no sample can promise; set 0.99 or less")
        return [(fewest_judged(self.target, wrong=wrong), wrong) for wrong in range(MOST_WRONG + 1)]

    def implied(self) -> int:
        """Counts the pairs that the published groups imply."""
        return count_pairs(self._groups())

    def draw(self, pairs: int) -> None:
        """Draws a sample, by another seed than those of the audits that are kept.

        A sample of groups that have changed is moved aside; it says nothing any more.

        Raises:
            UserError: a sample of these groups is there, or there is no pair.
        """
        with self._lock:
            if (sheet := self.sheet()) and not self.is_stale():
                raise UserError("a sample of these groups is drawn already; judge it to its end")
            if sheet:
                sheet.path.rename(sheet.path.with_name(f"audit-{sheet.name}.csv"))
            groups, seed = self._groups(), len(names_of(self._files.audits))
            drawn = draw_pairs(groups, count=pairs, seed=seed)
            manifest = read_manifest(self._files.manifest)
            write_sheet(
                self._files.sheet, drawn, groups=groups, manifest=manifest, archive=self._files.archive, seed=seed
            )

    def next(self, person: str, *, after: int = 0) -> int | None:
        """Returns the number of the next pair for a person; None where all are judged."""
        with self._lock:
            sheet = self._drawn()
            self._looking.pop(person, None)
            number = sheet.next(after=after, busy=[*self._looking.values()])
            if number is not None:
                self._looking[person] = number
            return number

    def judge(self, person: str, number: int, verdict: str) -> None:
        """Keeps a verdict; raises UserError where there is no such pair or verdict."""
        with self._lock:
            self._drawn().judge(number, verdict, person)

    def undo(self, person: str) -> int | None:
        """Takes back a person's last verdict and returns the pair's number; None where there is none."""
        with self._lock:
            item = self._drawn().undo(person)
            return item.number if item else None

    def conclude(self, person: str) -> str:
        """Keeps what the verdicts promise, and the sheet with it; returns the name of the audit.

        Raises:
            UserError: a pair has no verdict, or the groups have changed.
        """
        with self._lock:
            sheet, groups = self._drawn(), self._groups()
            if sheet.next() is not None:
                raise UserError("every pair of the sample has to be judged before anything can be said")
            today = datetime.now(UTC).date().isoformat()
            audit = conclude(sheet.path, sheet.verdicts(), groups, date=today)
            audit = witnessed(audit, sheet.items, self._stand(), person=person)
            record = write_audit(self._files.audits, audit, sheet=sheet.name)
            sheet.path.rename(record.with_suffix(".csv"))
            return record.stem

    def certificates(self) -> Sequence[str]:
        """Returns the names of the audits that are kept, the last one first."""
        return names_of(self._files.audits)

    def certificate(self, name: str) -> Certificate:
        """Returns an audit that was kept; raises UserError where there is none of this name."""
        return read_certificate(self._files.audits, name, self._stand())

    def _drawn(self) -> Sheet:
        if sheet := self.sheet():
            return sheet
        raise UserError("no sample is drawn; draw one first")

    def _groups(self) -> pd.DataFrame:
        return read_groups(self._files.groups)

    def _stand(self) -> Stand:
        return Stand(self._groups(), self._files.manifest, self._files.encoder)
