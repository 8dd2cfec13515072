"""Keeps people's decisions as they are made, each on the disk before the next, and knows what they bind."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cbir.groups.decisions.journal import (
    NOT_BEST,
    NOTE,
    RELATIONS,
    UNSURE,
    Decision,
    Journal,
    Relation,
    Remark,
    append_decision,
    now,
)
from cbir.groups.decisions.links import Links, link

Pair = tuple[str, str]  # image_ids, the smaller first


def pair_of(first: str, second: str) -> Pair:
    """Returns two images as decisions are compared."""
    return min(first, second), max(first, second)


class Ledger:
    """Reads and writes a file of decisions for several people at once; others may write to it too.

    Args:
        path: of the file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._lock = threading.RLock()
        self._linked: tuple[Sequence[Decision], Links] | None = None

    def decisions(self) -> Sequence[Decision]:
        """Returns all rows of the file, in their order.

        Raises:
            UserError: a row is no decision.
        """
        with self._lock:
            return self._journal.read()

    def links(self) -> Links:
        """Returns what the decisions bind."""
        with self._lock:
            decisions = self.decisions()
            if self._linked is None or self._linked[0] is not decisions:
                self._linked = decisions, link(decisions)
            return self._linked[1]

    def decide(self, decision: Decision) -> None:
        """Keeps a decision, and returns when it is on the disk; the same word once more adds nothing.

        Raises:
            OSError: it could not be written.
        """
        with self._lock:
            before = _last(self.decisions(), decision)
            if before and _says_the_same(before, decision):
                return
            append_decision(self._journal.path, _later_than(before, decision))

    def undo(self, person: str) -> Decision | None:
        """Takes back a person's last decision that was not taken back, by a later row that says what the person had
        said before; returns the decision, None where there is none. Notes are not decisions.

        Raises:
            OSError: the row could not be written.
        """
        with self._lock:
            steps = _steps(self.decisions(), person)
            if not steps:
                return None
            decision, before = steps[-1]
            self.decide(
                Decision(
                    time=now(),
                    person=person,
                    first_file=decision.first_file,
                    second_file=decision.second_file,
                    relation=before,
                    note="taken back",
                    first=decision.first,
                    second=decision.second,
                )
            )
            return decision

    def last(self, person: str) -> Decision | None:
        """Returns the decision that :meth:`undo` would take back."""
        steps = _steps(self.decisions(), person)
        return steps[-1][0] if steps else None

    def of_pair(self, first: str, second: str) -> list[Decision]:
        """Returns all that was said of a pair, in the order of the file."""
        pair = pair_of(first, second)
        return [each for each in self.decisions() if each.pair == pair and each.relation in RELATIONS]

    def unsure(self, person: str) -> set[Pair]:
        """Returns the pairs of which a person's last word is unsure."""
        last = {decision.subject: decision.relation for decision in self.decisions() if decision.person == person}
        return {pair for pair, relation in last.items() if relation == UNSURE}


def _last(decisions: Sequence[Decision], word: Decision) -> Decision | None:
    """Returns what the person said last on the same subject."""
    said = (each for each in reversed(decisions) if (each.person, each.subject) == (word.person, word.subject))
    return next(said, None)


def _says_the_same(before: Decision, decision: Decision) -> bool:
    """Tells whether a decision adds nothing to the one before; without a note it keeps the one that is there."""
    note = decision.note if decision.relation == NOTE else decision.note or before.note
    return (before.relation, before.note) == (decision.relation, note)


def _later_than(before: Decision | None, decision: Decision) -> Decision:
    """Gives a decision a time that is not before the one that it follows, though a clock was set back."""
    if before is None or before.moment <= decision.moment:
        return decision
    return replace(decision, time=before.time)


def _steps(decisions: Sequence[Decision], person: str) -> list[tuple[Decision, Relation | Remark]]:
    """Returns a person's decisions that were not taken back, each with what the person had said before.

    A row that says again what stood before the last step takes that step back.
    """
    steps: list[tuple[Decision, Relation | Remark]] = []
    standing: dict[tuple[str, str], Relation | Remark] = {}
    for decision in decisions:
        if decision.person != person or decision.relation == NOTE:
            continue
        before = standing.get(decision.subject, UNSURE if decision.relation in RELATIONS else NOT_BEST)
        if steps and steps[-1][0].subject == decision.subject and steps[-1][1] == decision.relation:
            steps.pop()
        else:
            steps.append((decision, before))
        standing[decision.subject] = decision.relation
    return steps
