"""Tests of cbir.serving.review.pairs."""

from pathlib import Path
from typing import Any

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import link
from cbir.serving.review.findings import Findings
from cbir.serving.review.pairs import Pair, describe_pair
from tests.support.decisions import decision
from tests.support.review import image, make_findings


def describe(findings: Findings, letters: str, *said: Decision) -> Pair:
    return describe_pair(
        findings, *map(image, letters), question=None, links=link(said), said=said, longest_side=400,
    )  # fmt: skip


def two(tmp_path: Path, likely: float = 0.95, **facts: Any) -> Findings:
    return make_findings(tmp_path, ("ab", likely), ("bc", 0.9), groups=("ab",), new="b", facts={"ab": facts})


def test_a_pair_is_described_by_what_was_found_and_where_its_images_are(tmp_path: Path) -> None:
    pair = describe(two(tmp_path), "ab")
    assert pair.verdict == "The same photograph, very probably"
    assert (pair.probability, pair.doubtful, pair.across, pair.mirrored) == ("0.950", False, True, False)
    assert pair.geometry.startswith("30 local features agree on one geometry")
    assert pair.reasons == ["They are in one group of 2 images: their pair reaches the threshold of 0.500."]
    first, second = pair.sides
    assert (first.name, first.pixels, first.width, first.height) == ("old/a.jpg", (800, 600), 400, 300)
    assert (first.group_id, first.members, second.name) == (image("a"), 2, "new/b.jpg")


def test_the_map_leads_from_the_first_to_the_second_whichever_is_named_first(tmp_path: Path) -> None:
    findings = two(tmp_path)
    pair = describe(findings, "ab")
    assert pair.matrix == "0.5 0 0 0.5 10 20"
    assert pair.sides[1].outline == "10,20 210,20 210,170 10,170"
    assert describe(findings, "ba").matrix == "2 0 0 2 -20 -40"


def test_a_mirrored_pair_is_known_by_its_map(tmp_path: Path) -> None:
    assert describe(two(tmp_path, map=[-0.5, 0, 300, 0, 0.5, 0], mirrored=True), "ab").mirrored


def test_a_pair_without_a_map_has_no_outline(tmp_path: Path) -> None:
    pair = describe(two(tmp_path, 0.1, map=None, relation="unrelated"), "ab")
    assert (pair.matrix, pair.sides[0].outline, pair.mirrored, pair.doubtful) == ("", "", False, True)
    assert pair.geometry == "No local features agree on one geometry."


def test_a_pair_that_was_not_looked_at_says_so(tmp_path: Path) -> None:
    pair = describe(two(tmp_path), "a2")
    assert (pair.verdict, pair.probability, pair.geometry) == ("This pair was not looked at", "", "")
    assert pair.reasons[0].startswith("The pair was not looked at:")


def test_decisions_are_said_before_the_reasons(tmp_path: Path) -> None:
    word = decision(image("a"), "!", image("b"), files=("old/a.jpg", "new/b.jpg"))
    pair = describe(two(tmp_path), "ab", word)
    assert pair.bound is False
    assert pair.said == (word,)
    assert pair.reasons[0] == "Decided: old/a.jpg and new/b.jpg are different (Anne, 2026-11-28)."
    assert pair.reasons[1].endswith("The groups are older than the decision; `cbir run` obeys it.")
