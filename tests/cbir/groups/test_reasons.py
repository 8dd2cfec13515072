"""Tests of cbir.groups.reasons."""

from typing import Any

import pandas as pd
import pytest

from cbir.groups.reasons import explain_pair, verdict
from cbir.matching.table import both_directions

NAMES = pd.Series({name: f"old/{name}.jpg" for name in "abcdef"})


def matches(*pairs: tuple[str, str, float], **evidence: Any) -> pd.DataFrame:
    facts = {
        "similarity": 0.5,
        "relation": "same photograph",
        "mirrored": False,
        "inliers": 30,
        "map": [1.0, 0, 0, 0, 1, 0],
    }
    facts |= {"overlap_query": 0.8, "overlap_neighbour": 0.6, "tone": 0.9, "log_nfa": -20.0} | evidence
    rows = [{"query_id": a, "neighbour_id": b, "probability": likely} | facts for a, b, likely in pairs]
    return both_directions(pd.DataFrame(rows))


def groups(*members: str) -> pd.DataFrame:
    rows = [(image, group[0]) for group in members for image in group]
    return pd.DataFrame(rows, columns=["image_id", "group_id"])


def reasons(first: str, second: str, table: pd.DataFrame, published: pd.DataFrame) -> str:
    return " ".join(explain_pair(first, second, table, published, NAMES, threshold=0.5))


def test_a_likely_pair_is_told_with_its_evidence_and_its_group() -> None:
    sentences = reasons("a", "b", matches(("a", "b", 0.97)), groups("abc"))
    assert "probability 0.970 that both show the same photograph (same photograph)" in sentences
    assert "30 local features agree on one geometry, as they are: it covers 80% of the first picture" in sentences
    assert "10^-20 pairs" in sentences
    assert sentences.endswith("They are in one group of 3 images: their pair reaches the threshold of 0.500.")
    assert "covers 60% of the first picture and 80% of the second" in reasons(
        "b", "a", matches(("a", "b", 0.97), mirrored=True), groups("ab")
    )


def test_a_pair_whose_tones_alone_agree_is_told() -> None:
    sentences = reasons("a", "b", matches(("a", "b", 0.97), inliers=0), groups("ab"))
    assert "Tones alone, not single features, agree on one geometry, as they are" in sentences


def test_two_images_that_are_together_through_a_third_are_told_by_the_likeliest_one() -> None:
    table = matches(("a", "c", 0.8), ("b", "c", 0.7), ("a", "d", 0.99), ("b", "d", 0.6), ("a", "b", 0.1), map=None)
    sentences = reasons("a", "b", table, groups("abcd"))
    assert "No local features agree" in sentences
    assert "through others, most of all old/c.jpg: probability 0.800 with the first, 0.700 with the second" in sentences


def test_two_images_without_a_relative_in_common_are_together_through_several() -> None:
    table = matches(("a", "c", 0.9), ("c", "d", 0.9), ("d", "b", 0.9))
    assert "The pair was not looked at" in reasons("a", "b", table, groups("abcd"))
    assert "through several others" in reasons("a", "b", table, groups("abcd"))


def test_a_pair_below_the_threshold_is_apart_and_so_is_one_that_was_not_looked_at() -> None:
    table = matches(("a", "b", 0.2))
    assert reasons("a", "b", table, groups("ac")).endswith("their pair does not reach it.")
    unseen = reasons("a", "d", table, groups("ac"))
    assert "the first is in group a of 2 images, the second in no group" in unseen
    assert unseen.endswith("from a probability of 0.500; their pair was not looked at.")


def test_a_likely_pair_that_the_pairs_around_it_speak_against_says_how_likely_these_are() -> None:
    table = matches(("a", "c", 0.9), ("a", "b", 0.9), ("c", "b", 0.1), ("a", "d", 0.1), ("c", "d", 0.1))
    sentences = reasons("a", "c", table, groups("ab", "cd"))
    assert "of 4 pairs between the two sides 3 were looked at, whose mean probability is 0.367." in sentences


def test_files_with_the_same_bytes_are_one_image() -> None:
    assert reasons("a", "a", matches(("a", "b", 0.9)), groups("ab")).startswith("Both files hold the same bytes")


def test_what_people_decided_is_the_reason_in_place_of_numbers() -> None:
    table = matches(("a", "b", 0.97), ("a", "c", 0.1))
    together = explain_pair("a", "c", table, groups("abc"), NAMES, threshold=0.5, decided=True)
    assert together[-1] == "They are in one group of 3 images, by decision."
    apart = explain_pair("a", "b", table, groups("ac"), NAMES, threshold=0.5, decided=False)
    assert apart[-1] == "They are not together: the first is in group a of 2 images, the second in no group."


def test_groups_that_are_older_than_a_decision_say_so() -> None:
    table = matches(("a", "b", 0.97))
    apart = explain_pair("a", "b", table, groups("ab"), NAMES, threshold=0.5, decided=False)
    assert apart[-1] == (
        "They are in one group of 2 images. The groups are older than the decision; `cbir run` obeys it."
    )
    together = explain_pair("a", "c", table, groups("ab"), NAMES, threshold=0.5, decided=True)
    assert together[-1].endswith("the second in no group. The groups are older than the decision; `cbir run` obeys it.")


def test_the_pair_that_keeps_two_sides_apart_is_named() -> None:
    table = matches(("a", "c", 0.9), ("a", "b", 0.9), ("c", "d", 0.9))
    scene = pd.concat([table, matches(("b", "d", 0.3), relation="same scene")])
    assert reasons("a", "c", scene, groups("ab", "cd")).endswith(
        "No group may hold old/b.jpg and old/d.jpg, one of each side: they are shots of one scene."
    )
    decided = explain_pair("a", "c", table, groups("ab", "cd"), NAMES, threshold=0.5, apart=[("d", "a")])
    assert decided[-1] == "No group may hold old/a.jpg and old/d.jpg, one of each side: people decided."


@pytest.mark.parametrize(
    ("relation", "probability", "mirrored", "words"),
    [
        ("same photograph", 0.995, False, "The same photograph, almost surely"),
        ("same photograph", 0.93, True, "The same photograph, mirrored, very probably"),
        ("same photograph", 0.75, False, "The same photograph, probably"),
        ("same photograph", 0.55, False, "The same photograph, perhaps"),
        ("same scene", 0.1, False, "Another shot of the scene, it seems"),
        ("same file", 0.999, False, "Pages of one file"),
        ("unrelated", 0.4, False, "Perhaps not the same photograph"),
        ("unrelated", 0.01, True, "This pair alone does not show the same photograph"),
    ],
)
def test_a_verdict_says_what_two_images_are_to_each_other_and_how_sure_that_is(
    relation: str, probability: float, mirrored: bool, words: str
) -> None:
    assert verdict({"relation": relation, "probability": probability, "mirrored": mirrored}) == words
