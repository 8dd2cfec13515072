"""Gathers what people have said of a group: its best copy, notes, what is to join it, and what cannot be obeyed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Contradiction, Links, relatives


@dataclass(frozen=True)
class Remarks:
    """Holds what people have said of a group.

    Attributes:
        best: the choice of its best copy; None where the program chooses.
        notes: by time.
        joining: images outside that are the same photograph by decision, and their group_ids, None where in no group.
        contradictions: that a member is part of.
    """

    best: Decision | None
    notes: Sequence[Decision]
    joining: Sequence[tuple[str, str | None]]
    contradictions: Sequence[Contradiction]


def remarks_on(images: Sequence[str], links: Links, group_of: Mapping[str, str]) -> Remarks:
    """Returns what was said of a group.

    Args:
        images: its members.
        group_of: group_ids by image, of all groups.
    """
    members = {*images}
    best = [decision for decision in links.best if decision.first in members]
    said = {image for decision in links.together if members & {*decision.pair} for image in decision.pair}
    joined = {image for start in said & members for image in relatives(links.together, start)} - members
    groups = {group_of.get(image) or image: (image, group_of.get(image)) for image in sorted(joined)}
    return Remarks(
        best=best[-1] if best else None,
        notes=[decision for decision in links.notes if decision.first in members],
        joining=[*groups.values()],
        contradictions=[each for each in links.contradictions if _touches(each, members)],
    )


def _touches(contradiction: Contradiction, members: set[str]) -> bool:
    decisions = (contradiction.left_out, *contradiction.against)
    return any(members & {*decision.pair} for decision in decisions)
