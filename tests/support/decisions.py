"""Decisions for tests: images by any name, a time that rises with each decision."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cbir.groups.decisions.journal import Decision, Relation, Remark

_START = datetime(2026, 11, 28, tzinfo=UTC)
_RELATIONS: dict[str, Relation | Remark] = {
    **{"=": "same photograph", "~": "same scene", "!": "different", "?": "unsure"},
    **{">": "best copy", "<": "not best copy"},
}


def decision(
    first: str, sign: str, second: str, *, by: str = "Anne", minute: int = 0, files: tuple[str, str] | None = None
) -> Decision:
    """A decision on two images; sign: = same photograph, ~ same scene, ! different, ? unsure, > first is the best copy,
    < it is not chosen any more.
    """
    names = files or (f"{first}.jpg", f"{second}.jpg")
    return Decision(
        time=(_START + timedelta(minutes=minute)).isoformat(),
        person=by,
        first_file=names[0],
        second_file=names[1],
        relation=_RELATIONS[sign],
        first=first,
        second=second,
    )


def decisions(*words: str) -> list[Decision]:
    """Decisions such as ``a=b`` or ``a!b Ben``, a minute after each other."""
    return [_said(word, minute) for minute, word in enumerate(words)]


def _said(word: str, minute: int) -> Decision:
    pair, _, person = word.partition(" ")
    return decision(pair[0], pair[1], pair[2], by=person or "Anne", minute=minute)


def chance_decisions(person: str, count: int) -> list[Decision]:
    """Decisions of a person about pairs of sixty images, each time the same ones."""
    chance = random.Random(person)
    drawn = [(chance.sample(range(60), 2), chance.choice("=~!?")) for _ in range(count)]
    return [
        decision(f"{first:032x}", sign, f"{second:032x}", by=person, minute=minute)
        for minute, ((first, second), sign) in enumerate(drawn)
    ]


def pairs_of(said: Iterable[Decision]) -> set[str]:
    """The pairs of decisions on images of one letter, such as ``ab``."""
    return {"".join(each.pair) for each in said}
