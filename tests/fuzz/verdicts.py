"""Verdicts on inputs that were tried, and the figures of many."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """Says what became of an input."""

    RIGHT = "right"  # read as the intact file is
    OTHER = "other"  # read otherwise without a word, and no referee calls it damage
    TOLD = "told"  # refused, or read with a word of what is odd
    CRASH = "crash"
    HANG = "hang"
    WRONG = "wrong accept"  # read otherwise without a word, though a referee tells of damage


FAULTS = frozenset((Outcome.CRASH, Outcome.HANG, Outcome.WRONG))


@dataclass(frozen=True)
class Case:
    """An input to try.

    Attributes:
        name: says what it was made of, and how; its suffix is the file's.
        data: the file.
        seed: the name of the intact file that it was made of; empty where there is none.
    """

    name: str
    data: bytes
    seed: str = ""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a case, with the words that led to it."""

    case: Case
    outcome: Outcome
    words: str = ""


@dataclass
class Figures:
    """Counts the outcomes of one kind of inputs, and keeps the faults."""

    kind: str
    counts: Counter[Outcome] = field(default_factory=Counter)
    faults: list[Verdict] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Counts verdicts as they come."""
        for verdict in verdicts:
            self.counts[verdict.outcome] += 1
            if verdict.outcome in FAULTS:
                self.faults.append(verdict)

    def row(self) -> str:
        """Words the figures as a row of :func:`table`."""
        cells = [self.kind, self.counts.total(), *(self.counts[outcome] for outcome in Outcome)]
        speed = self.counts.total() / self.seconds if self.seconds else 0.0
        return f"| {' | '.join(map(str, cells))} | {speed:.1f} |"


def table(figures: Iterable[Figures]) -> str:
    """Words figures as a table of Markdown, a row a kind."""
    heads = ["kind", "tried", *Outcome, "a second"]
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(kind.row() for kind in figures)])
