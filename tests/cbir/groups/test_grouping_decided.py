"""Groups obey what people decide, and never hold two shots of one scene, over reruns and landings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Links, link, relatives, standing
from cbir.groups.grouping import group_images
from tests.support.decisions import decision, decisions
from tests.support.directions import EVIDENCE
from tests.support.manifests import image_id_of, manifest


def table(*words: str) -> pd.DataFrame:
    """Matches such as ``ab 0.9``, or ``ab 0.1 same scene``, of images named by a letter."""
    rows = [word.split(" ", 2) for word in words]
    pairs = [
        {"query_id": image_id_of(f"a/{ends[0]}"), "neighbour_id": image_id_of(f"a/{ends[1]}")}
        | {"probability": float(likely)} | EVIDENCE | {"relation": relation[0] if relation else "same photograph"}
        for ends, likely, *relation in rows
    ]  # fmt: skip
    return pd.DataFrame(pairs)


def bound(*words: str) -> Links:
    """The links that decisions on images named by a letter make."""
    named = {letter: image_id_of(f"a/{letter}") for letter in "abcdefgx"}
    return link(
        Decision(**{**vars(each), "first": named[each.first], "second": named[each.second]})
        for each in decisions(*words)
    )


def grouped(matches: pd.DataFrame, *said: str, images: str = "abcdefg", threshold: float = 0.5) -> list[str]:
    """The groups as words of letters."""
    letters = {image_id_of(f"a/{letter}"): letter for letter in images}
    groups = group_images(
        manifest(*(f"a/{letter}" for letter in images)), matches, threshold=threshold, links=bound(*said)
    )
    members = groups.groupby("group_id")["image_id"].agg(lambda ids: "".join(sorted(letters[image] for image in ids)))
    return sorted(members)


def test_what_was_decided_to_be_the_same_is_one_group_whether_it_was_looked_at_or_not() -> None:
    assert grouped(table("ab 0.9", "cd 0.9")) == ["ab", "cd"]
    assert grouped(table("ab 0.9", "cd 0.9"), "e=f") == ["ab", "cd", "ef"]
    assert grouped(table("ab 0.9", "ef 0.1"), "e=f", "f=g") == ["ab", "efg"]


def test_the_best_copy_that_people_chose_stays_it_when_the_group_grows_and_nobody_elses() -> None:
    for images, known in (("abde", ("ab 0.9", "de 0.9")), ("abcde", ("ab 0.9", "ac 0.9", "bc 0.9", "de 0.9"))):
        files = manifest(*(f"a/{letter}" for letter in images))
        groups = group_images(files, table(*known), threshold=0.5, links=bound("b>a", "e>a"))
        assert set(groups.loc[groups["representative"], "image_id"]) == {image_id_of("a/b"), image_id_of("a/e")}


def test_two_groups_of_which_a_pair_was_decided_to_be_the_same_are_one() -> None:
    known = table("ab 0.9", "ac 0.9", "bc 0.9", "de 0.9", "df 0.9", "ef 0.9", "ad 0.1", "be 0.1", "cf 0.1", "af 0.1")
    assert grouped(known) == ["abc", "def"]
    assert grouped(known, "a=d") == ["abcdef"]


def test_what_was_decided_to_be_different_is_never_in_one_group_however_likely() -> None:
    known = table("ab 0.99", "ac 0.9", "bc 0.9")
    for sign in "!~":
        assert grouped(known, f"a{sign}b") in (["ac"], ["bc"])
    assert grouped(known, "a!b", "a?b") == ["abc"]


def test_an_image_that_was_kept_from_a_group_stays_with_those_that_speak_for_it() -> None:
    known = table("ab 0.9", "ac 0.9", "bc 0.9", "de 0.9", "cd 0.99", "bd 0.6", "ad 0.6", "ae 0.6", "be 0.6", "ce 0.6")
    assert grouped(known) == ["abcde"]
    assert grouped(known, "c!d") == ["abc", "de"]


def test_two_shots_of_one_scene_are_never_in_one_group_through_whatever_others() -> None:
    assert grouped(table("ab 0.9", "bc 0.8", "ac 0.4 same scene")) == ["ab"]
    chain = table("ab 0.9", "bc 0.9", "cd 0.9", "de 0.9", "ac 0.9", "bd 0.9", "ce 0.9", "ae 0.3 same scene")
    assert not any({"a", "e"} <= set(group) for group in grouped(chain, threshold=0.2))


def test_what_people_decide_goes_before_what_the_matches_call_a_scene() -> None:
    known = table("ab 0.1 same scene", "bc 0.9", "ac 0.2 same scene")
    assert grouped(known) == ["bc"]
    assert grouped(known, "a=b") == ["ab"]  # c is another shot than a, and so than b
    assert grouped(known, "a=b", "b=c") == ["abc"]


def test_same_photograph_carries_what_is_apart_on_to_its_relatives() -> None:
    assert grouped(table("bc 0.9"), "a=b", "a!c") == ["ab"]
    assert grouped(table("bc 0.9", "cd 0.9"), "a=b", "c=d", "a~d") == ["ab", "cd"]


def test_an_image_that_has_left_the_archive_still_says_who_is_the_same() -> None:
    assert grouped(table("bc 0.1"), "a=x", "x=b") == ["ab"]
    assert grouped(table("ab 0.9"), "a=x", "x!b") == []


def test_the_table_says_which_images_a_decision_alone_holds_and_counts_decided_pairs_as_sure() -> None:
    files = manifest("a/a", "a/b", "a/c")
    groups = group_images(files, table("ab 0.8", "ac 0.2"), threshold=0.5, links=bound("c=a"))
    rows = groups.set_index("image_id")
    assert [rows.loc[image_id_of(f"a/{name}"), "evidence"] for name in "abc"] == ["match", "match", "decision"]
    assert [rows.loc[image_id_of(f"a/{name}"), "similarity"] for name in "abc"] == [0.9, 0.8, 1.0]


@dataclass
class Archive:
    """An archive that grows: images of photographs, matches that are mostly right, decisions that are mostly right."""

    random: np.random.Generator
    photographs: list[int] = field(default_factory=list)
    pairs: dict[tuple[int, int], tuple[float, str]] = field(default_factory=dict)
    said: list[Decision] = field(default_factory=list)
    named: list[str] = field(default_factory=list)

    def land(self, images: int, *, related: bool = True) -> None:
        """New images, with about 4 matches each; those without relatives match each other alone."""
        start = len(self.photographs)
        first = 0 if related else start
        subjects = self.random.integers(0, 30, images) + (0 if related else 1000 + start)
        self.photographs += subjects.tolist()
        for image in range(start, start + images):
            for other in self.random.integers(first, image + 1, 4).tolist():
                self._match(image, int(other))
            alike = [other for other in range(first, image) if self.photographs[other] == self.photographs[image]]
            for other in alike[-3:]:
                self._match(image, other)

    def _match(self, image: int, other: int) -> None:
        if image != other:
            right = (self.photographs[image] == self.photographs[other]) != (self.random.random() < 0.05)
            likely = float(np.float32(self.random.beta(8, 2) if right else self.random.beta(1, 12)))
            scene = likely < 0.5 and self.random.random() < 0.1
            self.pairs[other, image] = likely, "same scene" if scene else "same photograph"

    def decide(self, times: int) -> None:
        """Decisions of two people on random pairs, one in ten of them wrong."""
        for _ in range(times):
            image = int(self.random.integers(len(self.photographs)))
            alike = [o for o, p in enumerate(self.photographs) if p == self.photographs[image] and o != image]
            others = alike if alike and self.random.random() < 0.5 else range(len(self.photographs))
            other = int(self.random.choice(others))
            if other != image:
                right = (self.photographs[image] == self.photographs[other]) != (self.random.random() < 0.1)
                sign = "?" if self.random.random() < 0.1 else "=" if right else self.random.choice(["!", "~"])
                by = str(self.random.choice(["Anne", "Ben"]))
                ids = self.ids
                self.said.append(decision(ids[image], str(sign), ids[other], by=by, minute=len(self.said)))

    @property
    def paths(self) -> list[str]:
        return [f"a/{image:05}" for image in range(len(self.photographs))]

    @property
    def ids(self) -> list[str]:
        self.named += [image_id_of(path) for path in self.paths[len(self.named) :]]
        return self.named

    @property
    def matches(self) -> pd.DataFrame:
        ids = self.ids
        rows = [(ids[a], ids[b], likely, relation) for (a, b), (likely, relation) in self.pairs.items()]
        named = pd.DataFrame(rows, columns=["query_id", "neighbour_id", "probability", "relation"])
        return named.assign(**{name: value for name, value in EVIDENCE.items() if name != "relation"})

    def groups(self) -> pd.DataFrame:
        return group_images(manifest(*self.paths), self.matches, threshold=0.5, links=link(self.said))


def broken(archive: Archive, groups: pd.DataFrame) -> list[Decision]:
    """The decisions that stand, are not obeyed, and are not named as contradictions."""
    group_of = groups.set_index("image_id")["group_id"]
    named = [contradiction.left_out for contradiction in link(archive.said).contradictions]
    return [
        each
        for each in standing(archive.said)
        if (each.relation == "same photograph") != _together(*each.pair, group_of) and each not in named
    ]


def _together(first: str, second: str, group_of: pd.Series) -> bool:
    return first in group_of and second in group_of and group_of[first] == group_of[second]


def scenes_inside(archive: Archive, groups: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs in one group that the matches call a scene, and people do not put together."""
    group_of, together = groups.set_index("image_id")["group_id"], link(archive.said).together
    scenes = archive.matches.query("relation == 'same scene'")
    pairs: Sequence[tuple[str, str]] = list(zip(scenes["query_id"], scenes["neighbour_id"], strict=True))
    inside = [pair for pair in pairs if _together(*pair, group_of)]
    return [pair for pair in inside if pair[1] not in relatives(together, pair[0])]


def live(seed: int) -> None:
    """An archive in which 1,000 decisions come, between reruns and landings; none may be broken."""
    archive = Archive(np.random.default_rng(seed))
    archive.land(60)
    for _ in range(10):
        archive.decide(110)
        groups = archive.groups()
        assert not broken(archive, groups)
        assert not scenes_inside(archive, groups)
        archive.land(12, related=False)
        later = archive.groups()
        before = later[later["image_id"].isin(groups["image_id"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(before, groups)
        archive.land(12)
    assert len(archive.said) > 1000
    assert len(link(archive.said).contradictions) > 10


@settings(max_examples=1, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_of_1000_decisions_none_is_broken_over_reruns_and_landings(seed: int) -> None:
    live(seed)


@pytest.mark.heavy
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_of_8_times_1000_decisions_none_is_broken(seed: int) -> None:
    live(seed)
