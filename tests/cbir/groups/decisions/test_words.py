"""Tests of cbir.groups.decisions.words."""

from dataclasses import replace

from cbir.groups.decisions.links import link
from cbir.groups.decisions.words import contradiction_in_words, decided_between, decided_column, in_words
from tests.support.decisions import decisions


def test_a_decision_says_what_who_when_and_why() -> None:
    (said,) = decisions("a~b Ben")
    assert in_words(said) == "a.jpg and b.jpg are two shots of one scene (Ben, 2026-11-28)"
    assert in_words(replace(said, note="hats")).endswith("(Ben, 2026-11-28: hats)")


def test_the_column_of_an_image_names_the_other_one_of_each_of_its_pairs() -> None:
    column = decided_column(link(decisions("a=b", "c!a Ben", "a~d")))
    assert column == {
        "a": "same as b.jpg (Anne); different from c.jpg (Ben); same scene as d.jpg (Anne)",
        "b": "same as a.jpg (Anne)",
        "c": "different from a.jpg (Ben)",
        "d": "same scene as a.jpg (Anne)",
    }


def test_the_column_says_which_decision_is_not_obeyed() -> None:
    column = decided_column(link(decisions("a=b", "b=c", "a!c Ben")))
    assert column["a"] == "different from c.jpg (Ben); same as b.jpg (Anne, not obeyed)"
    assert column["c"] == "same as b.jpg (Anne); different from a.jpg (Ben)"


def test_a_contradiction_names_all_decisions_with_their_authors() -> None:
    (named,) = link(decisions("a=b", "b=c Ben", "a!c")).contradictions
    assert contradiction_in_words(named) == (
        "a.jpg and b.jpg are the same photograph (Anne, 2026-11-28): not obeyed, for it contradicts "
        "b.jpg and c.jpg are the same photograph (Ben, 2026-11-28); a.jpg and c.jpg are different (Anne, 2026-11-28)"
    )


def test_two_images_are_together_or_apart_by_their_own_decision_or_by_others() -> None:
    links = link(decisions("a=b", "b=c", "c!d", "d=e"))
    assert decided_between("a", "b", links) == (
        True,
        ["Decided: a.jpg and b.jpg are the same photograph (Anne, 2026-11-28)."],
    )
    together, (sentence,) = decided_between("c", "a", links)
    assert together and sentence.startswith("Decided, by others of their pairs: b.jpg and c.jpg are the same")
    apart, (sentence,) = decided_between("e", "a", links)
    assert apart is False
    assert sentence.count(";") == 3 and "c.jpg and d.jpg are different" in sentence
    assert decided_between("d", "c", links)[0] is False
    assert decided_between("a", "x", links) == (None, [])


def test_who_contradicts_is_named_where_the_pair_is_asked_for() -> None:
    together, (ground, doubt) = decided_between("b", "a", link(decisions("a=b", "a!b Ben")))
    assert together is False
    assert ground == "Decided: a.jpg and b.jpg are different (Ben, 2026-11-28)."
    assert doubt.startswith("People contradict each other: a.jpg and b.jpg are the same photograph (Anne, 2026-11-28)")


def test_the_column_has_best_copies_and_notes() -> None:
    best, said = decisions("a>b", "a>b Ben")
    column = decided_column(link([best, replace(said, relation="note", note="box 12")]))
    assert column == {"a": "best copy (Anne); note: box 12 (Ben)"}
