"""cbir.training.methods.classifier: cross-entropy over scenes, balanced as asked, and what it says of other images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, build_encoder
from cbir.images.reduced import ReducedImages
from cbir.training.methods.classifier import Classifier, scenes
from cbir.training.objective import PREDICTIONS
from cbir.training.trainer import train_encoder
from tests.support.lessons import pictures
from tests.support.training import train_settings

QUICK = {"workers": 0, "precision": "float32", "augmentation": "none", "batch_size": 8}


def build() -> Encoder:
    return build_encoder(backbone="timm/test_resnet", image_size=32, greyscale=True)


def archive(folder: Path, *, of: str = "class") -> tuple[pd.DataFrame, ReducedImages]:
    """36 pictures of three scenes with 4, 12 and 20 images, a twelfth of them in val, a sixth in test."""
    images, reduced = pictures(folder, count=36)
    images[of] = pd.Series(["a"] * 4 + ["b"] * 12 + ["c"] * 20, dtype="str")
    images["split"] = ["test" if n % 6 == 3 else "val" if n % 12 == 5 else "train" for n in range(36)]
    return images, reduced


def naive(rows: torch.Tensor, labels: list[int], weights: list[float]) -> float:
    total = 0.0
    for row, label in zip(rows.double(), labels, strict=True):
        total -= weights[label] * float(torch.log(torch.exp(row[label]) / sum(torch.exp(logit) for logit in row)))
    return total / sum(weights[label] for label in labels)


@pytest.mark.parametrize("balance", ["none", "loss"])
def test_the_loss_is_that_of_a_naive_loop(tmp_path: Path, balance: Any) -> None:
    images, _ = archive(tmp_path)
    encoder = build()
    objective = Classifier(encoder, images, train_settings(class_balance=balance, **QUICK))
    counts = images[images["split"] == "train"]["class"].value_counts().sort_index().tolist()
    weights = [sum(counts) / 3 / count for count in counts] if balance == "loss" else [1.0] * 3
    batch = {"images": torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))}
    batch["label"] = torch.tensor([0, 1, 2, 2, 1, 2])
    with torch.no_grad():
        rows = objective.head(encoder.features(batch["images"]))
        loss = objective.loss(encoder, batch, generator=torch.Generator())
    assert loss.item() == pytest.approx(naive(rows, batch["label"].tolist(), weights), rel=1e-5)


def test_a_scene_is_the_class_where_there_is_one_else_the_group() -> None:
    known = pd.DataFrame({"class": ["x", None, "y", None], "group_id": ["g", "g", None, None]}, dtype="str")
    assert scenes(known).fillna("").tolist() == ["x", "g", "y", ""]


def test_images_of_unknown_scenes_neither_train_nor_validate(tmp_path: Path) -> None:
    images, _ = archive(tmp_path, of="group_id")
    images.loc[images["split"] == "val", "group_id"] = "never trained"
    images.loc[0, "group_id"] = None
    training, validation = Classifier(build(), images, train_settings(**QUICK)).select(images)
    assert images.loc[0, "image_id"] not in set(training["image_id"])
    assert set(pd.concat([training, validation])["group_id"]) == {"a", "b", "c"}
    assert set(training["split"]) == set(validation["split"]) == {"train"}  # held back, for none of val is known
    assert not set(training["image_id"]) & set(validation["image_id"])


def test_balanced_batches_are_for_training_alone(tmp_path: Path) -> None:
    images, _ = archive(tmp_path)
    objective = Classifier(build(), images, train_settings(class_balance="batches", **QUICK))
    training = images[images["split"] == "train"]
    rows = [row for batch in objective.batches(training, validates=False) for row in batch]
    assert len(rows) == len(training) > len(set(rows))
    rows = [row for batch in objective.batches(training, validates=True) for row in batch]
    assert sorted(rows) == list(range(len(training)))


def test_one_scene_is_too_few(tmp_path: Path) -> None:
    images, _ = archive(tmp_path)
    images["class"] = "a"
    with pytest.raises(UserError, match="needs training images of at least 2 classes or groups, there are 1; set"):
        Classifier(build(), images, train_settings(**QUICK))


@pytest.mark.heavy
def test_it_can_overfit_and_predicts_images_of_val_and_test(tmp_path: Path) -> None:
    images, reduced = archive(tmp_path)
    encoder = build()
    settings = train_settings(epochs=12, learning_rate=3e-3, head_learning_rate=3e-3, **QUICK)
    asked = images.assign(split=["val", "test"] * 18)  # every picture trains, often an epoch, and is asked for
    lesson = pd.concat([images.assign(split="train")] * 4 + [asked], ignore_index=True)
    trained = train_encoder(
        encoder, lesson, reduced, method="classifier", settings=settings, checkpoints=tmp_path / "checkpoints"
    )
    table = trained.predictions.to_pandas()
    assert trained.predictions.schema == PREDICTIONS
    assert len(table) == len(images)
    assert table["image_id"].is_monotonic_increasing
    assert set(table["split"]) == {"val", "test"}
    assert (table["label"] == table["predicted"]).all()
    assert np.isfinite(encoder.embed([np.zeros((40, 40), np.uint8)])).all()


def test_an_image_of_a_scene_that_was_not_trained_on_is_not_predicted(tmp_path: Path) -> None:
    images, reduced = archive(tmp_path)
    images.loc[images.index[-3], "class"] = "unknown"
    images.loc[images.index[-3], "split"] = "test"
    objective = Classifier(build(), images, train_settings(**QUICK))
    table = objective.predictions(build(), images, reduced).to_pandas()
    asked = images[images["split"].isin(["val", "test"]) & (images["class"] != "unknown")]
    assert table["image_id"].tolist() == asked["image_id"].tolist()
    assert table["label"].tolist() == asked["class"].tolist()
