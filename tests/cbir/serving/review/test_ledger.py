"""Tests of cbir.serving.review.ledger."""

import multiprocessing
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from cbir.groups.decisions.journal import Decision, read_decisions
from cbir.groups.decisions.links import standing
from cbir.serving.review.ledger import Ledger
from tests.support.decisions import decision


def word(first: str, sign: str, second: str, by: str = "Anne", minute: int = 0) -> Decision:
    return decision(first * 32, sign, second * 32, by=by, minute=minute)


def kept(path: Path) -> list[str]:
    return [f"{each.first[0]}{each.second[0]} {each.relation} {each.person}" for each in read_decisions(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.csv"


def test_a_decision_is_on_the_disk_and_the_same_word_again_adds_nothing(path: Path) -> None:
    ledger = Ledger(path)
    for relation in "==!":
        ledger.decide(word("a", relation, "b"))
    ledger.decide(word("b", "!", "a"))
    ledger.decide(word("a", "!", "b", by="Ben"))
    assert kept(path) == ["ab same photograph Anne", "ab different Anne", "ab different Ben"]


def test_another_note_is_another_word(path: Path) -> None:
    ledger = Ledger(path)
    ledger.decide(replace(word("a", "=", "b"), note="the crease"))
    ledger.decide(word("a", "=", "b"))  # without one it takes none back
    ledger.decide(replace(word("a", "=", "b"), note="the stamp"))
    assert [each.note for each in read_decisions(path)] == ["the crease", "the stamp"]


def test_what_others_add_is_seen(path: Path) -> None:
    mine, theirs = Ledger(path), Ledger(path)
    mine.decide(word("a", "=", "b"))
    theirs.decide(word("b", "=", "c", by="Ben"))
    assert len(mine.links().together) == 2
    path.write_text(path.read_text().replace("same photograph", "different", 1))  # an edit, in place of a new row
    assert len(mine.links().together) == 1


def test_undo_takes_back_one_decision_after_the_other_and_nobody_elses(path: Path) -> None:
    ledger = Ledger(path)
    for minute, (first, sign, second, by) in enumerate([("a", "=", "b", "Anne"), ("a", "!", "b", "Anne"),
                                                        ("b", "~", "c", "Ben"), ("c", "=", "d", "Anne")]):  # fmt: skip
        ledger.decide(word(first, sign, second, by, minute))
    taken = []
    while last := ledger.last("Anne"):
        assert ledger.undo("Anne") == last
        taken.append(f"{last.first[0]}{last.second[0]} {last.relation}")
    assert taken == ["cd same photograph", "ab different", "ab same photograph"]
    assert [each.person for each in standing(ledger.decisions())] == ["Ben"]
    assert ledger.undo("Anne") is None


def test_undo_of_a_changed_mind_brings_the_first_word_back(path: Path) -> None:
    ledger = Ledger(path)
    ledger.decide(word("a", "=", "b"))
    ledger.decide(word("a", "!", "b"))
    ledger.undo("Anne")
    assert [each.relation for each in standing(ledger.decisions())] == ["same photograph"]


def test_what_was_taken_back_can_be_decided_again_and_taken_back_again(path: Path) -> None:
    ledger = Ledger(path)
    for _ in range(2):
        ledger.decide(word("a", "=", "b"))
        assert ledger.undo("Anne")
    assert standing(ledger.decisions()) == []
    assert ledger.unsure("Anne") == {("a" * 32, "b" * 32)}
    assert ledger.unsure("Ben") == set()


def test_a_clock_that_is_set_back_leaves_the_last_word_the_last(path: Path) -> None:
    ledger = Ledger(path)
    ledger.decide(replace(word("a", "=", "b"), time="2099-01-01T00:00:00+00:00"))
    ledger.undo("Anne")
    assert standing(ledger.decisions()) == []


def _decide_many(path: Path, person: str, seed: int) -> None:
    ledger, draw = Ledger(path), random.Random(seed)
    for number in range(60):
        if draw.random() < 0.1:
            ledger.undo(person)
        else:
            ledger.decide(replace(word("a", draw.choice("=~!"), "b", by=person), note=f"{person} {number}"))


def test_two_writers_lose_and_double_nothing(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_decide_many, args=(path, person, seed))
               for seed, person in enumerate(("Anne", "Ben"))]  # fmt: skip
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    notes = Counter(each.note for each in read_decisions(path) if each.note != "taken back")
    assert set(notes.values()) == {1}
    for person, seed in (("Anne", 0), ("Ben", 1)):
        draw, wanted = random.Random(seed), []
        for number in range(60):
            if draw.random() >= 0.1:
                draw.choice("=~!")
                wanted.append(f"{person} {number}")
        assert [each.note for each in read_decisions(path) if each.person == person and each.note in notes] == wanted
