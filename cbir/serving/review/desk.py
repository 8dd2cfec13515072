"""Puts pairs before people and keeps what they decide: all that the pages ask for, without the web."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbir.base.errors import UserError, nearest
from cbir.groups.decisions.journal import BEST, NOTE, RELATIONS, Decision, now
from cbir.groups.decisions.links import Contradiction
from cbir.serving.review.findings import Findings, Sources
from cbir.serving.review.groups import Groups, Wanted
from cbir.serving.review.ledger import Ledger, Pair, pair_of
from cbir.serving.review.pairs import Pair as PairPage
from cbir.serving.review.pairs import Side, describe_evidence, describe_images, describe_pair
from cbir.serving.review.pictures import Pictures
from cbir.serving.review.queue import Queue
from cbir.serving.review.remarks import Remarks, remarks_on

_LOOKING = 600  # seconds for which a pair that somebody looks at is not handed to others


@dataclass(frozen=True)
class Settings:
    """Holds the settings of a workspace that pages depend on.

    Attributes:
        threshold: `group.threshold`, 0 for the learned one.
        longest_side: px, of reduced images.
    """

    threshold: float
    longest_side: int


class Desk:
    """Serves several people at once, from the findings of one run until :meth:`renew`.

    Raises:
        UserError: no run has found anything yet.
    """

    def __init__(self, sources: Sources, decisions: Path, pictures: Pictures, settings: Settings) -> None:
        self._sources, self._settings = sources, settings
        self._lock = threading.Lock()
        self._looking: dict[Pair, tuple[str, float]] = {}  # who looks at a pair, and since when
        self.ledger, self.pictures = Ledger(decisions), pictures
        self.renew()

    def renew(self) -> None:
        """Reads what the last run has found; raises UserError, and keeps what it had, where a file is not there."""
        with self._lock:
            findings = Findings.read(self._sources, chosen=self._settings.threshold)
            self._read = findings, Queue(findings)
            self._groups: Groups | None = None

    @property
    def findings(self) -> Findings:
        """The findings that the pages show."""
        return self._read[0]

    @property
    def groups(self) -> Groups:
        """The groups of the findings, listed when they are first asked for."""
        with self._lock:
            if self._groups is None:
                self._groups = Groups(self.findings)
            return self._groups

    def find_groups(self, wanted: Wanted) -> list[str]:
        """Returns the group_ids that are asked for, in order."""
        links = self.ledger.links()
        decided = {image for decision in (*links.together, *links.apart) for image in decision.pair}
        return self.groups.find(wanted, decided)

    def group(self, group_id: str, *, most: int | None = None) -> list[Side]:
        """Describes the images of a group, the best copy first; raises UserError where there is no such group."""
        return self.describe(self.groups.members(group_id, self._chosen())[:most])

    def describe(self, image_ids: Sequence[str]) -> list[Side]:
        """Describes images of the archive, in this order."""
        return describe_images(self.findings, image_ids, self._settings.longest_side)

    def remarks(self, group_id: str) -> Remarks:
        """Returns what people have said of a group since the run and before; raises UserError as :meth:`group`."""
        return remarks_on(self.groups.members(group_id), self.ledger.links(), self.findings.group_of)

    def news(self) -> str:
        """Says whether a run has written files since they were read; empty where none has."""
        state = self._sources.state()
        if state == self.findings.state:
            return ""
        if None in state:
            return "A run is at work. These are the findings of the run before it; you can go on deciding."
        return "A run has made the tables anew since they were read."

    def open_pairs(self) -> int:
        """Counts the questions that decisions leave open."""
        return int(self._read[1].is_open(self.ledger.links()).sum())

    def next_pair(self, person: str, *, after: Pair | None = None, look: bool = True) -> Pair | None:
        """Returns the next pair for a person, None where no question is open.

        Pairs that the person is unsure of come last, and those that others look at are left to them.

        Args:
            after: the pair that the person looked at before.
            look: whether the person looks at it now.
        """
        queue = self._read[1]
        with self._lock:
            since = time.monotonic() - _LOOKING
            self._looking = {pair: who for pair, who in self._looking.items() if who[1] > since}
            busy = {pair for pair, who in self._looking.items() if who[0] != person}
            pair = queue.next(self.ledger.links(), after=after, last=self.ledger.unsure(person), busy=busy)
            if pair and look:
                self._looking = {pair: who for pair, who in self._looking.items() if who[0] != person}
                self._looking[pair_of(*pair)] = person, time.monotonic()
            return pair

    def pair(self, first: str, second: str) -> PairPage:
        """Describes two images.

        Raises:
            UserError: one is not in the archive, or both are the same.
        """
        findings, queue = self._read
        for image in (first, second):
            self._require(image)
        _require_two(first, second)
        place = queue.place((first, second))
        return describe_pair(
            findings,
            first,
            second,
            question=None if place is None else findings.questions.iloc[place],
            links=self.ledger.links(),
            said=self.ledger.of_pair(first, second),
            longest_side=self._settings.longest_side,
        )

    def evidence(self, pairs: Sequence[Pair]) -> list[PairPage]:
        """Describes what was found about pairs and what people said of them, not why they are or are not together."""
        images = [*dict.fromkeys(image for pair in pairs for image in pair)]
        sides = dict(zip(images, self.describe(images), strict=True))
        matches = self.findings.matches(*(first for first, _ in pairs)).to_dict("records")
        rows = {(row["query_id"], row["neighbour_id"]): row for row in matches}
        return [
            describe_evidence(
                self.findings,
                (sides[first], sides[second]),
                rows.get((first, second)),
                said=self.ledger.of_pair(first, second),
            )
            for first, second in pairs
        ]

    def decide(self, person: str, first: str, second: str, relation: str, *, note: str = "", outside: str = "") -> None:
        """Keeps a person's decision; it is on the disk when this returns.

        Args:
            outside: name of the first image's file, which need not be in the archive: the decision counts once it is.

        Raises:
            UserError: an image is not in the archive, or the relation is none.
            OSError: it could not be kept.
        """
        if not outside:
            self._require(first)
        self._require(second)
        _require_two(first, second)
        if relation not in RELATIONS:
            raise UserError(
                f"relation must be one of {', '.join(RELATIONS)}, is {relation!r}; {nearest(relation, RELATIONS)}"
            )
        self._keep(person, first, second, relation, note, outside=outside)

    def choose_best(self, person: str, group_id: str, image: str, *, note: str = "") -> None:
        """Keeps which image of a group is its best copy; raises as :meth:`decide`, and where it is not in the group."""
        self._keep(person, image, self._another(group_id, image), BEST, note)

    def write_note(self, person: str, group_id: str, text: str, *, about: str = "") -> None:
        """Keeps a person's note on a group, in the place of the one before; an empty one takes that back.

        Args:
            about: the image that the note before stands at, where that is no more the group's first.

        Raises:
            UserError: there is no such group, or the image is not in it.
            OSError: it could not be kept.
        """
        image = about or group_id
        self._keep(person, image, self._another(group_id, image), NOTE, text)

    def _another(self, group_id: str, image: str) -> str:
        """Returns the best copy of a group, or another image where that is it."""
        others = self.groups.members(group_id, self._chosen())
        if image not in others:
            raise UserError(f"{image} is not in the group {group_id}; look at the group again")
        return next(other for other in others if other != image)

    def _chosen(self) -> list[str]:
        return [decision.first for decision in self.ledger.links().best]

    def _keep(self, person: str, first: str, second: str, relation: Any, note: str, *, outside: str = "") -> None:
        names = {first: outside} | self.findings.names(first, second)
        self.ledger.decide(
            Decision(
                time=now(),
                person=person,
                first_file=names[first],
                second_file=names[second],
                relation=relation,
                note=note,
                first=first,
                second=second,
            )
        )

    def contradictions(self) -> Sequence[Contradiction]:
        """Returns the decisions that cannot be obeyed, each with those that stand against it."""
        return self.ledger.links().contradictions

    def _require(self, image: str) -> None:
        if image not in self.findings:
            raise UserError(f"{image}: no image of the archive has this id; it may have been removed")


def _require_two(first: str, second: str) -> None:
    if first == second:
        raise UserError(f"{first} is one image, and a pair has two")
