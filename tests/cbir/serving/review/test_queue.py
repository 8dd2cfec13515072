"""Tests of cbir.serving.review.queue."""

from dataclasses import replace
from pathlib import Path

import pytest

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import link
from cbir.serving.review.ledger import Pair
from cbir.serving.review.queue import Queue
from tests.support.decisions import decisions
from tests.support.review import image, make_findings


def said(*words: str) -> list[Decision]:
    """Decisions on images of the archive."""
    return [replace(each, first=image(each.first), second=image(each.second)) for each in decisions(*words)]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """Groups ab and cd, whose members hold together, and doubtful pairs between them and with e and f."""
    pairs = ("ab", 0.99), ("cd", 0.99), ("ac", 0.5), ("bd", 0.45), ("ae", 0.5), ("ef", 0.5)
    return Queue(make_findings(tmp_path, *pairs, groups=("ab", "cd")))


def order(queue: Queue, *words: str, last: tuple[str, ...] = (), busy: tuple[str, ...] = ()) -> list[str]:
    """The pairs in the order in which a person sees them who goes on and on, until the first comes again."""
    links, shown, after = link(said(*words)), [], None
    while (after := queue.next(links, after=after, last=_pairs(last), busy=_pairs(busy))) and after not in shown:
        shown.append(after)
    return ["".join(end[0] for end in pair) for pair in shown]


def _pairs(letters: tuple[str, ...]) -> set[Pair]:
    return {(image(pair[0]), image(pair[1])) for pair in letters}


def test_the_pair_on_which_most_hangs_comes_first_and_two_sets_are_asked_about_once(queue: Queue) -> None:
    assert order(queue) == ["ac", "ae", "ef"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["a=c"], ["ae", "ef"]),
        (["a!c"], ["ae", "ef"]),
        (["b~d"], ["ae", "ef"]),  # another pair of the same two sets
        (["a=c", "a?c"], ["ac", "ae", "ef"]),
        (["a=f", "a=e"], ["ac"]),  # so e and f are the same too
        (["a=f", "a!e"], ["ac"]),  # and so they are not
        (["1=2", "1!a"], ["ac", "ae", "ef"]),
        (["a=1", "1=c"], ["ae", "ef"]),  # by way of an image that no question is about
        (["a=c", "a=e", "e!f"], []),
    ],
)
def test_what_decisions_settle_is_asked_no_more(queue: Queue, words: list[str], left: list[str]) -> None:
    assert order(queue, *words) == left
    assert queue.is_open(link(said(*words))).sum() == len(left)


def test_after_the_last_pair_the_first_comes_again(queue: Queue) -> None:
    links = link([])
    assert queue.next(links, after=(image("e"), image("f")), last=(), busy=()) == (image("a"), image("c"))
    assert queue.next(links, after=(image("c"), image("a")), last=(), busy=()) == (image("a"), image("e"))


def test_pairs_that_somebody_is_unsure_of_come_last_and_those_that_others_look_at_after_them(queue: Queue) -> None:
    assert order(queue, last=("ac",))[0] == "ae"
    assert order(queue, last=("ac", "ae", "ef"))[0] == "ac"
    assert order(queue, busy=("ac",))[0] == "ae"
    assert order(queue, last=("ef",), busy=("ac", "ae"))[0] == "ef"


def test_a_lone_pair_comes_again(queue: Queue) -> None:
    links = link(said("a=c", "a!e"))
    only = image("e"), image("f")
    assert queue.next(links, after=only, last=(), busy=()) == only


def test_without_questions_nothing_comes(tmp_path: Path) -> None:
    queue = Queue(make_findings(tmp_path, ("ab", 0.01)))
    assert queue.next(link([]), after=None, last=(), busy=()) is None
