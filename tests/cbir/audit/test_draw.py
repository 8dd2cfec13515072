import numpy as np
import pandas as pd
import pytest

from cbir.audit.bounds import lower_bound
from cbir.audit.draw import draw_pairs
from cbir.audit.record import count_pairs
from cbir.base.errors import UserError


def groups_of(*sizes: int) -> pd.DataFrame:
    """Groups of these many images; an image is called by its group and its place."""
    rows = [(f"g{g:03}", f"g{g:03}-{n:03}") for g, size in enumerate(sizes) for n in range(size)]
    return pd.DataFrame(rows, columns=["group_id", "image_id"])


def test_every_implied_pair_has_the_same_chance() -> None:
    groups = groups_of(2, 5, 3, 1)
    drawn = [
        tuple(row) for seed in range(1000) for row in draw_pairs(groups, count=3, seed=seed)[["first", "second"]].values
    ]
    share = pd.Series(drawn).value_counts(normalize=True)
    assert len(share) == count_pairs(groups) == 1 + 10 + 3
    assert share.min() > 0.75 / 14
    assert share.max() < 1.25 / 14


def test_as_many_groups_as_can_be_are_in_the_sample() -> None:
    assert draw_pairs(groups_of(*[2] * 200), count=100, seed=0)["group_id"].nunique() == 100
    mixed = draw_pairs(groups_of(20, *[2] * 190), count=38, seed=0)["group_id"].value_counts()
    assert mixed["g000"] in (18, 19, 20)  # it has half of the pairs
    assert mixed.drop("g000").max() == 1


def test_where_there_are_no_more_all_pairs_are_drawn_once() -> None:
    drawn = draw_pairs(groups_of(4, 2), count=59, seed=0)
    assert len(drawn) == 7
    assert not drawn.duplicated().any()
    assert (drawn["first"].str[:4] == drawn["group_id"]).all()
    assert (drawn["second"].str[:4] == drawn["group_id"]).all()
    assert (drawn["first"] < drawn["second"]).all()


def test_the_order_on_the_sheet_tells_nothing_of_the_groups_and_the_seed_gives_it_again() -> None:
    groups = groups_of(*range(2, 30))
    once, again, other = (draw_pairs(groups, count=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(once, again)
    assert not once.equals(other)
    assert not once["group_id"].is_monotonic_increasing


@pytest.mark.parametrize("many", [False, True], ids=["a large group", "many small ones"])
def test_the_bound_holds_in_95_of_100_audits_whichever_groups_are_wrong(many: bool) -> None:
    groups = groups_of(12, *[2] * 500, *[5] * 40)
    wrong = {f"g{g:03}" for g in range(1, 67)} if many else {"g000"}
    sizes = groups.groupby("group_id").size()
    pairs = sizes * (sizes - 1) // 2
    truth = 1 - pairs[[name in wrong for name in pairs.index]].sum() / pairs.sum()
    broken = 0
    for seed in range(200):
        drawn = draw_pairs(groups, count=93, seed=seed)
        broken += lower_bound(93, int(drawn["group_id"].isin(wrong).sum()), of=int(pairs.sum())) > truth
    assert broken <= 0.05 * 200


def test_a_large_draw_has_the_share_of_all_pairs() -> None:
    groups = groups_of(*np.random.default_rng(0).integers(2, 9, 300))
    drawn = draw_pairs(groups, count=1000, seed=0)
    sizes = groups.groupby("group_id").size()
    pairs = sizes * (sizes - 1) // 2
    expected = pairs / pairs.sum() * 1000
    counts = drawn["group_id"].value_counts().reindex(expected.index, fill_value=0)
    assert (counts - expected).abs().max() <= 2


def test_groups_of_exact_copies_alone_have_no_pair_to_judge() -> None:
    with pytest.raises(UserError, match="no group has two different images, so there is no pair to judge"):
        draw_pairs(groups_of(1, 1), count=59, seed=0)
