"""cbir.training.batches: which images train, which validate, and in which batches."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cbir.base.errors import UserError
from cbir.encoders.preprocess import Preprocessing
from cbir.images.reduced import ReducedImages
from cbir.training.batches import (
    BalancedBatches,
    Samples,
    SpreadBatches,
    Squares,
    hold_back,
    load_batches,
    split_images,
)


def table(**counts: int) -> pd.DataFrame:
    """So many images of each split, in groups of two; ``unlabelled`` ones have neither split nor group."""
    rows = [
        (f"{split}-{n}", None if split == "unlabelled" else f"{split}-group-{n // 2}", split)
        for split, count in counts.items()
        for n in range(count)
    ]
    images = pd.DataFrame(rows, columns=["image_id", "group_id", "split"])
    images["split"] = images["split"].where(images["split"] != "unlabelled")
    return images


def test_train_and_unlabelled_images_train_and_val_images_validate() -> None:
    images = table(train=20, val=16, test=10, unlabelled=30)
    training, validation = split_images(images, seed=0)
    assert set(training["image_id"]) == {name for name in images["image_id"] if name[:3] in ("tra", "unl")}
    assert set(validation["split"]) == {"val"}
    assert len(validation) == 16


def test_with_few_val_images_a_tenth_of_the_others_validates_and_does_not_train() -> None:
    images = table(train=200, val=4, test=50, unlabelled=200)
    training, validation = split_images(images, seed=0)
    assert 4 + 15 < len(validation) < 4 + 65
    assert not set(training["image_id"]) & set(validation["image_id"])
    assert len(training) + len(validation) == 404
    assert not set(training["group_id"].dropna()) & set(validation["group_id"].dropna())


def test_what_is_held_back_stays_as_the_archive_grows_and_moves_with_the_seed() -> None:
    _, few = split_images(table(unlabelled=200), seed=0)
    _, more = split_images(table(unlabelled=400), seed=0)
    _, others = split_images(table(unlabelled=200), seed=1)
    assert set(few["image_id"]) <= set(more["image_id"])
    assert set(few["image_id"]) != set(others["image_id"])


def test_the_smallest_archive_still_has_images_to_validate_on() -> None:
    for seed in range(20):
        training, validation = split_images(table(unlabelled=12), seed=seed)
        assert len(training) >= 8
        assert len(validation) == 4


def test_too_few_images_are_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"at least 12 .*, there are 7; add images, or set train.method: none"):
        split_images(table(unlabelled=4, train=6, test=50), seed=0)


def test_batches_hold_each_image_once_and_are_of_even_size() -> None:
    batches = SpreadBatches([str(n) for n in range(100)], batch_size=64, seed=0)
    rows = list(batches)
    assert len(batches) == len(rows) == 2
    assert sorted(row for batch in rows for row in batch) == list(range(100))
    assert [len(batch) for batch in rows] == [50, 50]


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    assert [sorted(batch) for batch in SpreadBatches(["a", "b", "c"], batch_size=64, seed=0)] == [[0, 1, 2]]


def test_group_mates_do_not_meet_in_a_batch() -> None:
    groups = [f"group {n // 4}" for n in range(40)] + [f"alone {n}" for n in range(24)]
    batches = SpreadBatches(groups, batch_size=16, seed=0)
    for epoch in range(5):
        batches.set_epoch(epoch)
        for batch in batches:
            assert len({groups[row] for row in batch}) == len(batch) == 16


def test_the_order_follows_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = SpreadBatches([str(n) for n in range(30)], batch_size=10, seed=seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_read_from_the_store(tmp_path: Path, workers: int) -> None:
    reduced = ReducedImages(tmp_path, tmp_path, longest_side=64)
    images = pd.DataFrame({"image_id": [f"{n:032}" for n in range(6)], "path": "gone.jpg", "page": 0})
    for n, image_id in enumerate(images["image_id"]):
        reduced.put(image_id, np.full((40, 50), n, np.uint8))
    squares = Squares(images, reduced, Preprocessing(32, "stretch", True))
    batches = SpreadBatches(images["image_id"], batch_size=3, seed=0)
    read = list(load_batches(squares, batches, workers=workers))
    assert [batch.shape for batch in read] == [(3, 32, 32, 1)] * 2
    assert [batch[:, 0, 0, 0].tolist() for batch in read] == list(batches)


def test_a_sample_is_the_image_with_what_is_known_of_it(tmp_path: Path) -> None:
    reduced = ReducedImages(tmp_path, tmp_path, longest_side=64)
    images = pd.DataFrame({"image_id": [f"{n:032}" for n in range(4)], "path": "gone.jpg", "page": 0})
    for n, image_id in enumerate(images["image_id"]):
        reduced.put(image_id, np.full((40, 50), n, np.uint8))
    squares = Squares(images, reduced, Preprocessing(32, "stretch", True))
    samples = Samples(squares, {"label": torch.tensor([5, 6, 7, 8]), "tokens": torch.arange(8).view(4, 2)})
    (batch,) = load_batches(samples, [[2, 0]], workers=0)
    assert batch["images"].shape == (2, 32, 32, 1)
    assert batch["images"][:, 0, 0, 0].tolist() == [2, 0]
    assert batch["label"].tolist() == [7, 5]
    assert batch["tokens"].tolist() == [[4, 5], [0, 1]]


def test_validation_batches_are_so_small_that_group_mates_do_not_meet() -> None:
    images = table(val=40)
    assert len(SpreadBatches.of(images, batch_size=64, seed=0, validates=False)) == 1
    groups = images["group_id"].tolist()
    for batch in SpreadBatches.of(images, batch_size=64, seed=0, validates=True):
        assert len({groups[row] for row in batch}) == len(batch) == 20


def test_balanced_batches_draw_each_label_equally_often() -> None:
    labels = [0] * 900 + [1] * 90 + [3] * 10
    batches = BalancedBatches(labels, batch_size=100, seed=0)
    drawn = [labels[row] for batch in batches for row in batch]
    assert (len(batches), len(drawn)) == (10, 1000)
    for label in (0, 1, 3):
        assert 280 < drawn.count(label) < 390
    first = list(batches)
    assert list(batches) == first
    batches.set_epoch(1)
    assert list(batches) != first


def labelled(*sizes: int) -> pd.DataFrame:
    rows = [(f"image {group} {n}", f"group {group}") for group, size in enumerate(sizes) for n in range(size)]
    return pd.DataFrame(rows, columns=["image_id", "group_id"])


def test_a_tenth_is_held_back_of_known_groups_and_every_group_goes_on_training() -> None:
    images = labelled(*[2] * 60, *[1] * 40, 100)
    training, validation = hold_back(images, images[:0], groups=images["group_id"], seed=0)
    assert 10 < len(validation) < 40
    assert len(training) + len(validation) == len(images)
    assert set(training["group_id"]) == set(images["group_id"])


def test_nothing_is_held_back_where_enough_validate() -> None:
    images = labelled(10, 10)
    training, validation = hold_back(images, labelled(16), groups=images["group_id"], seed=0)
    assert (len(training), len(validation)) == (20, 16)


@pytest.mark.parametrize(("sizes", "counts"), [((3, 3), "6 and 4"), ((1,) * 20, "20 and 0")])
def test_too_few_to_hold_any_back_are_refused(sizes: tuple[int, ...], counts: str) -> None:
    images = labelled(*sizes)
    with pytest.raises(UserError, match=f"at least 12 training images and 4 .*, there are {counts}; add images"):
        hold_back(images, images[:0], groups=images["group_id"], seed=0)
