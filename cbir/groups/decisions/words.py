"""Says in words what people decided: of each image for the report, of two images, and which decisions contradict."""

from collections import defaultdict

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Contradiction, Links, chain, relatives

_RELATIONS = {
    "same photograph": "{0} and {1} are the same photograph",
    "same scene": "{0} and {1} are two shots of one scene",
    "different": "{0} and {1} are different",
    "best copy": "{0} is the best copy",
    "not best copy": "{0} is not chosen as the best copy",
    "note": "on the group of {0}",
}
_OF_AN_IMAGE = {"same photograph": "same as {0}", "same scene": "same scene as {0}", "different": "different from {0}"}


def decided_column(links: Links) -> dict[str, str]:
    """Returns for each image, by image_id, what was decided of it and its pairs, in a line; others are left out."""
    said: dict[str, list[str]] = defaultdict(list)
    left_out = [contradiction.left_out for contradiction in links.contradictions]
    for decisions, ending in (((*links.together, *links.apart), ""), (left_out, ", not obeyed")):
        for decision in sorted(decisions, key=lambda each: (each.moment, each.pair)):
            for image, other in ((decision.first, decision.second_file), (decision.second, decision.first_file)):
                said[image].append(f"{_OF_AN_IMAGE[decision.relation].format(other)} ({decision.person}{ending})")
    for decision in links.best:
        said[decision.first].append(f"best copy ({decision.person})")
    for decision in links.notes:
        said[decision.first].append(f"note: {decision.note} ({decision.person})")
    return {image: "; ".join(parts) for image, parts in said.items()}


def contradiction_in_words(contradiction: Contradiction) -> str:
    """Says in a sentence which decision is not obeyed, whose it is, and which decisions of whom stand against it."""
    against = "; ".join(map(in_words, contradiction.against))
    return f"{in_words(contradiction.left_out)}: not obeyed, for it contradicts {against}"


def in_words(decision: Decision) -> str:
    """Says in words what was decided, by whom and when."""
    what = _RELATIONS[decision.relation].format(decision.first_file, decision.second_file)
    return f"{what} ({decision.person}, {decision.time[:10]}{f': {decision.note}' if decision.note else ''})"


def decided_between(first: str, second: str, links: Links) -> tuple[bool | None, list[str]]:
    """Returns whether decisions put two images together (True) or apart (False), or do not say; and sentences on it."""
    doubts = [
        f"People contradict each other: {contradiction_in_words(contradiction)}."
        for contradiction in links.contradictions
        if contradiction.left_out.pair == (min(first, second), max(first, second))
    ]
    if joined := chain(links.together, first, second):
        return True, [_ground(joined), *doubts]
    if parted := _parted(first, second, links):
        return False, [_ground(parted), *doubts]
    return None, doubts


def _parted(first: str, second: str, links: Links) -> list[Decision]:
    """Returns the decisions by which two images must be apart: that, and those that join the images with its own."""
    own, others = relatives(links.together, first), relatives(links.together, second)
    for decision in links.apart:
        for end, other_end in (decision.pair, decision.pair[::-1]):
            if end in own and other_end in others:
                return [*chain(links.together, first, end), decision, *chain(links.together, other_end, second)]
    return []


def _ground(decisions: list[Decision]) -> str:
    if len(decisions) == 1:
        return f"Decided: {in_words(decisions[0])}."
    return f"Decided, by others of their pairs: {'; '.join(map(in_words, decisions))}."
