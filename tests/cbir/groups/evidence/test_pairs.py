"""Tests of cbir.groups.evidence.pairs."""

from typing import Any

import pandas as pd
import pytest

from cbir.groups.decisions.journal import Decision, Relation
from cbir.groups.decisions.links import Links, link
from cbir.groups.evidence.pairs import expected_precision, find_doubts, member_pairs
from cbir.groups.grouping import FREE
from cbir.matching.table import both_directions

FACTS = {"similarity": 0.5, "mirrored": False, "inliers": 30, "map": None, "tone": 0.9, "log_nfa": -20.0}


def matches(*pairs: tuple[str, str, float], **facts: Any) -> pd.DataFrame:
    """The table of matches; of each pair two images, a letter each, and the probability."""
    facts = FACTS | {"relation": "same photograph", "overlap_query": 0.8, "overlap_neighbour": 0.6} | facts
    return both_directions(
        pd.DataFrame([{"query_id": a, "neighbour_id": b, "probability": likely} | facts for a, b, likely in pairs])
    )


def groups(*members: str) -> pd.DataFrame:
    """The table of groups: the letters of each; the first is the best copy."""
    rows = [(group[0], image, place == 0) for group in members for place, image in enumerate(group)]
    return pd.DataFrame(rows, columns=["group_id", "image_id", "representative"])


def shown(pairs: pd.DataFrame) -> list[str]:
    return list(pairs["query_id"] + pairs["neighbour_id"])


def doubts(
    published: pd.DataFrame, table: pd.DataFrame, *, threshold: float = 0.5, links: Links = FREE, **accessions: str
) -> pd.DataFrame:
    """The pairs in doubt; an image came in the accession x unless another is named."""
    came = pd.Series(dict.fromkeys("abcdefgh", "x") | accessions)
    return find_doubts(published, table, came, threshold=threshold, links=links)


def decided(pair: str, relation: Relation) -> Decision:
    return Decision(time="2026-11-28T10:00:00+00:00", person="Anna", relation=relation, first=pair[0], second=pair[1])


def asked(pairs: pd.DataFrame) -> list[str]:
    return [first + second for first, second in zip(pairs["query_id"], pairs["neighbour_id"], strict=True)]


def test_each_member_has_its_pair_with_the_best_copy() -> None:
    pairs = member_pairs(
        groups("abc", "de"), matches(("a", "b", 0.9), ("a", "c", 0.8), ("b", "c", 0.95), ("d", "e", 0.7)), threshold=0.5
    )
    assert shown(pairs) == ["ba", "ca", "ed"]
    assert pairs["direct"].all()
    assert pairs["group_id"].tolist() == ["a", "a", "d"]


def test_without_a_pair_with_the_best_copy_a_member_has_its_likeliest_pair_in_the_group() -> None:
    table = matches(("a", "b", 0.9), ("b", "c", 0.8), ("c", "d", 0.7), ("b", "d", 0.75), ("c", "x", 0.99))
    pairs = member_pairs(groups("abcd"), table, threshold=0.5)
    assert shown(pairs) == ["ba", "cb", "db"]
    assert pairs["direct"].tolist() == [True, False, False]


def test_a_pair_with_the_best_copy_below_the_threshold_has_the_likeliest_one_behind_it() -> None:
    pairs = member_pairs(groups("abc"), matches(("a", "b", 0.9), ("a", "c", 0.3), ("b", "c", 0.8)), threshold=0.5)
    assert shown(pairs) == ["ba", "ca", "cb"]


def test_a_less_likely_pair_explains_nothing() -> None:
    pairs = member_pairs(groups("abc"), matches(("a", "b", 0.9), ("a", "c", 0.4), ("b", "c", 0.3)), threshold=0.5)
    assert shown(pairs) == ["ba", "ca"]


def test_no_group_has_no_pairs() -> None:
    assert not len(member_pairs(groups(), matches(("a", "b", 0.4)), threshold=0.5))
    assert not len(doubts(groups(), matches(("a", "b", 0.1))))


def test_the_expected_precision_is_the_mean_probability_of_the_pairs_in_groups() -> None:
    table = matches(("a", "b", 0.9), ("b", "c", 0.6), ("c", "d", 0.1))
    assert expected_precision(groups("abc"), table) == pytest.approx(0.75)
    assert expected_precision(groups(), table) is None


@pytest.mark.parametrize(
    ("probability", "threshold"), [(0.45, 0.5), (0.21, 0.5), (0.79, 0.5), (0.97, 0.9), (0.72, 0.9)]
)
def test_a_pair_near_the_threshold_is_in_doubt(probability: float, threshold: float) -> None:
    together = groups("ab") if probability >= threshold else groups()
    assert asked(doubts(together, matches(("a", "b", probability)), threshold=threshold)) == ["ab"]


@pytest.mark.parametrize(("probability", "threshold"), [(0.19, 0.5), (0.81, 0.5), (0.98, 0.9), (0.65, 0.9)])
def test_a_pair_far_from_the_threshold_is_not(probability: float, threshold: float) -> None:
    together = groups("ab") if probability >= threshold else groups()
    assert not len(doubts(together, matches(("a", "b", probability)), threshold=threshold))


def test_a_likely_pair_whose_images_are_in_different_groups_is_in_doubt() -> None:
    (pair,) = doubts(groups("ab", "cd"), matches(("a", "b", 0.99), ("c", "d", 0.99), ("b", "c", 0.95))).to_dict(
        "records"
    )
    assert (pair["query_id"], pair["neighbour_id"], pair["together"]) == ("b", "c", False)
    assert (pair["group_id"], pair["other_group"], pair["part"], pair["other_part"]) == ("a", "c", 2, 2)


def test_a_doubtful_pair_between_images_that_likely_pairs_hold_together_is_no_question() -> None:
    assert not len(doubts(groups("abc"), matches(("a", "b", 0.99), ("b", "c", 0.99), ("a", "c", 0.4))))


def test_between_two_parts_of_a_group_it_asks_once_by_the_likeliest_pair() -> None:
    table = matches(
        ("a", "b", 0.99), ("c", "d", 0.99), ("d", "e", 0.99), ("a", "c", 0.6), ("b", "d", 0.7), ("a", "e", 0.5)
    )
    (pair,) = doubts(groups("abcde"), table).to_dict("records")
    assert (pair["query_id"], pair["neighbour_id"], pair["together"]) == ("b", "d", True)
    assert {pair["part"], pair["other_part"]} == {2, 3}


def test_pages_of_one_file_are_no_question() -> None:
    assert not len(doubts(groups(), matches(("a", "b", 0.5), relation="same file")))


def test_a_pair_that_people_decided_is_no_question_and_settles_those_between_the_same_images() -> None:
    table = matches(("a", "b", 0.99), ("c", "d", 0.99), ("a", "c", 0.4), ("b", "d", 0.3), ("e", "f", 0.45))
    published = groups("ab", "cd")
    assert asked(doubts(published, table)) == ["ac", "ef"]
    apart = link([decided("bd", "different"), decided("ef", "same scene")])
    assert not len(doubts(published, table, links=apart))
    together = link([decided("db", "same photograph"), decided("ef", "same photograph")])
    assert not len(doubts(groups("abcd", "ef"), table, links=together))


def test_pairs_across_accessions_come_first() -> None:
    table = matches(("a", "b", 0.5), ("c", "d", 0.35))
    pairs = doubts(groups("ab"), table, d="y")
    assert asked(pairs) == ["cd", "ab"]
    assert pairs["across"].tolist() == [True, False]


def test_the_nearer_to_the_threshold_and_the_more_images_hang_on_it_the_earlier_a_pair_comes() -> None:
    assert asked(doubts(groups(), matches(("a", "b", 0.3), ("c", "d", 0.45)))) == ["cd", "ab"]
    held = [("a", "b", 0.99), ("b", "c", 0.99), ("a", "c", 0.99)]
    assert asked(doubts(groups("abc"), matches(*held, ("a", "d", 0.45), ("e", "f", 0.45)))) == ["ad", "ef"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    table = matches(("a", "b", 0.99), ("c", "d", 0.6), ("a", "c", 0.45), ("b", "e", 0.3))
    pairs = doubts(groups("ab", "cd"), table)
    assert doubts(groups("ab", "cd"), table.sample(frac=1, random_state=1)).equals(pairs)
