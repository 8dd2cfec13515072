"""Tests of cbir.groups.decisions.links."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from cbir.groups.decisions.links import chain, link, relatives, standing
from tests.support.decisions import decision, decisions, pairs_of


def contradictions(*words: str) -> list[tuple[str, list[str]]]:
    """The pairs that are not obeyed, each with those that stand against it."""
    named = link(decisions(*words)).contradictions
    return [("".join(each.left_out.pair), ["".join(other.pair) for other in each.against]) for each in named]


def test_the_last_decision_of_a_person_on_a_pair_stands_whichever_image_is_named_first() -> None:
    (last,) = standing(decisions("a=b", "b!a"))
    assert last.relation == "different"


def test_unsure_takes_back_what_the_same_person_said_and_nobody_elses() -> None:
    assert standing(decisions("a=b", "a?b")) == []
    assert [each.person for each in standing(decisions("a=b", "a!b Ben", "a?b"))] == ["Ben"]
    assert pairs_of(link(decisions("a=b", "a?b", "a=b")).together) == {"ab"}


def test_the_time_decides_and_not_the_place_in_the_file() -> None:
    said = [decision("a", "!", "b", minute=9), decision("a", "=", "b", minute=1)]
    assert [each.relation for each in standing(said)] == ["different"]


def test_same_scene_and_different_keep_apart_and_same_photograph_puts_together() -> None:
    links = link(decisions("a=b", "c~d", "e!f"))
    assert (pairs_of(links.together), pairs_of(links.apart)) == ({"ab"}, {"cd", "ef"})
    assert links.contradictions == ()


def test_of_two_people_who_differ_on_a_pair_the_later_one_is_obeyed_and_both_are_named() -> None:
    links = link(decisions("a=b", "a!b Ben"))
    assert (pairs_of(links.together), pairs_of(links.apart)) == (set(), {"ab"})
    (only,) = links.contradictions
    assert (only.left_out.person, [each.person for each in only.against]) == ("Anne", ["Ben"])
    assert pairs_of(link(decisions("a!b", "a=b Ben")).together) == {"ab"}


def test_two_people_who_keep_a_pair_apart_for_different_reasons_do_not_contradict() -> None:
    assert link(decisions("a~b", "a!b Ben")).contradictions == ()


def test_a_pair_that_was_decided_itself_wins_over_what_others_imply() -> None:
    links = link(decisions("a=b", "b=c", "a!c"))
    assert pairs_of(links.apart) == {"ac"}
    assert pairs_of(links.together) == {"bc"}  # the later one
    assert contradictions("a=b", "b=c", "a!c") == [("ab", ["bc", "ac"])]
    assert contradictions("a!c", "b=c", "a=b") == [("bc", ["ab", "ac"])]


def test_everybody_who_said_what_is_not_obeyed_is_named() -> None:
    assert contradictions("a=b", "a=b Ben", "b=c", "a!c") == [("ab", ["bc", "ac"]), ("ab", ["bc", "ac"])]


def test_a_contradiction_names_the_whole_chain() -> None:
    assert contradictions("a=b", "c=d", "d=e", "e=f", "b=c", "a!f") == [("ab", ["bc", "cd", "de", "ef", "af"])]


def test_a_chain_leads_from_an_image_to_another_by_the_fewest_decisions() -> None:
    together = decisions("a=b", "b=c", "c=d", "a=c")
    assert ["".join(each.pair) for each in chain(together, "a", "d")] == ["ac", "cd"]
    assert chain(together, "a", "a") == chain(together, "a", "x") == []
    assert relatives(together, "b") == {"a", "b", "c", "d"}
    assert relatives(together, "x") == {"x"}


def test_the_same_decisions_in_another_order_of_the_file_bind_the_same() -> None:
    said = decisions("a=b", "b=c", "a!c", "c=d", "d!a Ben", "a=d Ben")
    assert link(said) == link(said[::-1])


SAYINGS = st.tuples(
    st.sampled_from(list(combinations("abcdef", 2))), st.sampled_from("=~!?"), st.sampled_from(["Anne", "Ben"])
)


@given(st.lists(SAYINGS, min_size=5, max_size=30))
def test_no_chain_joins_what_is_apart_and_each_decision_binds_or_is_named(
    sayings: list[tuple[tuple[str, str], str, str]],
) -> None:
    said = decisions(*(f"{a}{sign}{b} {person}" for (a, b), sign, person in sayings))
    links = link(said)
    for each in links.apart:
        assert not chain(links.together, *each.pair)
    left_out = [contradiction.left_out for contradiction in links.contradictions]
    for each in standing(said):
        same = each.relation == "same photograph"
        obeyed = bool(chain(links.together, *each.pair)) if same else each.pair in {a.pair for a in links.apart}
        assert obeyed != (each in left_out)


def test_a_best_copy_stands_beside_decisions_on_its_pairs_until_its_author_takes_it_back() -> None:
    links = link(decisions("a>b", "a=b", "b>a Ben", "b?a"))
    assert [each.first for each in links.best] == ["a", "b"]
    assert links.together == ()  # unsure is of the pair
    assert [each.first for each in link(decisions("a>b", "b>a", "b<a")).best] == ["a"]
