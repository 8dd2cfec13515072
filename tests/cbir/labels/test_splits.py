from collections import Counter

import pytest

from cbir.base.errors import UserError
from cbir.labels.splits import check_fractions, split_of

IMAGE_IDS = [f"{number:032x}" for number in range(10_000)]


def test_the_splits_have_the_parts_asked_for() -> None:
    counts = Counter(split_of(image_id, train=0.6, val=0.2, seed=0) for image_id in IMAGE_IDS)
    assert counts["train"] == pytest.approx(6000, abs=200)
    assert counts["val"] == pytest.approx(2000, abs=200)
    assert counts["test"] == pytest.approx(2000, abs=200)


def test_a_split_is_the_same_on_every_machine() -> None:
    assert [split_of(image_id, train=0.6, val=0.2, seed=0) for image_id in IMAGE_IDS[:6]] == [
        "test",
        "val",
        "train",
        "val",
        "val",
        "test",
    ]


def test_the_seed_deals_anew() -> None:
    moved = sum(
        split_of(image_id, train=0.5, val=0.0, seed=0) != split_of(image_id, train=0.5, val=0.0, seed=1)
        for image_id in IMAGE_IDS
    )
    assert moved == pytest.approx(5000, abs=250)


def test_a_larger_train_split_holds_the_smaller_one() -> None:
    for image_id in IMAGE_IDS:
        if split_of(image_id, train=0.5, val=0.2, seed=0) == "train":
            assert split_of(image_id, train=0.7, val=0.2, seed=0) == "train"


@pytest.mark.parametrize(("train", "val", "only"), [(1.0, 0.0, "train"), (0.0, 1.0, "val"), (0.0, 0.0, "test")])
def test_a_split_may_have_everything(train: float, val: float, only: str) -> None:
    assert {split_of(image_id, train=train, val=val, seed=0) for image_id in IMAGE_IDS} == {only}


@pytest.mark.parametrize(
    ("train", "val", "sentence"),
    [
        (-0.1, 0.2, "groundtruth.train must be between 0 and 1, is -0.1: it is a part of the groups"),
        (0.2, 1.1, "groundtruth.val must be between 0 and 1, is 1.1: it is a part of the groups"),
        (0.6, 0.5, "groundtruth.train (0.6) and groundtruth.val (0.5) must be 1 at most together; test is the rest"),
    ],
)
def test_parts_that_are_none_are_refused(train: float, val: float, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        check_fractions(train=train, val=val)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(("train", "val"), [(0.7, 0.3), (0.6, 0.1), (1, 0), (0, 1), (0, 0)])
def test_parts_that_make_a_whole_at_most_are_allowed(train: float, val: float) -> None:
    check_fractions(train=train, val=val)  # raises UserError where they are not
