"""Tests of cbir.serving.review.groups."""

from pathlib import Path
from typing import Any

import pytest

from cbir.base.errors import UserError
from cbir.serving.review import groups
from cbir.serving.review.groups import Groups, Wanted
from tests.support.review import image, make_findings


@pytest.fixture
def listed(tmp_path: Path) -> Groups:
    """Groups abc (old), de (old and new) and f1 (new); b has a caption, and c and d are a pair in doubt."""
    pairs = ("ab", 0.99), ("bc", 0.99), ("de", 0.99), ("f1", 0.99), ("cd", 0.5)
    return Groups(make_findings(tmp_path, *pairs, groups=("abc", "de", "f1"), new="ef1"))


def asked(listed: Groups, about: str = "", **wanted: Any) -> str:
    """The first letters of the groups that are asked for."""
    return "".join(group[0] for group in listed.find(Wanted(**wanted), [image(letter) for letter in about]))


@pytest.mark.parametrize(
    ("wanted", "letters"),
    [
        ({}, "adf"),
        ({"text": "NEW/F"}, "f"),
        ({"text": "<script>"}, "a"),  # in a caption
        ({"text": "old.a"}, ""),  # a text, no pattern
        ({"accession": "old"}, "ad"),
        ({"accession": "new"}, "df"),
        ({"across": True}, "d"),
        ({"size": 3}, "a"),
        ({"doubt": True}, "ad"),
        ({"decided": "yes"}, "d"),
        ({"decided": "no"}, "af"),
        ({"accession": "old", "across": True, "doubt": True, "text": "e.jpg"}, "d"),
    ],
)
def test_groups_are_those_that_are_asked_for(listed: Groups, wanted: dict[str, Any], letters: str) -> None:
    assert asked(listed, about="e2", **wanted) == letters


def test_groups_come_by_size_or_by_the_certainty_of_their_weakest_member(tmp_path: Path) -> None:
    findings = make_findings(tmp_path, ("ab", 0.9), groups=("ab", "cd", "ef1"))
    findings.groups["similarity"] = [0.9, 0.7, 0.9, 0.9, 0.9, 0.9, 0.8]
    listed = Groups(findings)
    assert asked(listed) == "eac"
    assert asked(listed, order="uncertain") == "aec"
    assert asked(listed, order="certain") == "cea"


def letters(decisions: list[Any]) -> list[str]:
    return [f"{pair[0][0]}{pair[1][0]} {relation}" for pair, relation in decisions]


def test_a_group_that_is_confirmed_is_its_images_and_the_best_copy(listed: Groups) -> None:
    assert letters(listed.confirmed(image("a"))) == ["ab same photograph", "ac same photograph"]


def test_what_is_taken_out_is_apart_from_each_of_the_rest(listed: Groups) -> None:
    assert letters(listed.parted(image("a"), [image("b")], "different")) == ["ba different", "bc different"]
    out = [image("b"), image("c")]
    assert letters(listed.parted(image("a"), out, "same scene")) == ["ba same scene", "ca same scene"]


@pytest.mark.parametrize(
    ("out", "words"),
    [("", "at least one and not all"), ("abc", "at least one and not all"), ("ad", "is not in the group")],
)
def test_nothing_all_or_a_stranger_is_not_taken_out(listed: Groups, out: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        listed.parted(image("a"), [image(letter) for letter in out], "different")


def test_one_action_makes_no_more_decisions_than_people_can_look_at(
    listed: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST_PAIRS", 1)
    with pytest.raises(UserError, match="that makes 2 decisions, more than 1; take fewer pictures at once"):
        listed.confirmed(image("a"))


def test_a_group_that_is_no_more_is_told(listed: Groups) -> None:
    with pytest.raises(UserError, match="no group has this id now"):
        listed.members(image("b"))
