"""cbir.training.trainer: learns, stops early, goes on where it was killed, and gives the same encoder every time."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, build_encoder
from cbir.images.reduced import ReducedImages
from cbir.training.trainer import HISTORY, Trained, fit_whitening, train_encoder
from tests.support.training import train_settings

SETTINGS = train_settings(epochs=3, batch_size=8, workers=0, precision="float32", projection=16, learning_rate=3e-3)


class KilledError(Exception):
    """In the place of a SIGKILL."""


def build(**changes: Any) -> Encoder:
    return build_encoder(**{"backbone": "timm/test_resnet", "image_size": 32, "greyscale": True} | changes)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, ReducedImages]:
    """Sixteen images to train on, sixteen to validate on, four that must not be seen."""
    folder = tmp_path_factory.mktemp("archive")
    reduced = ReducedImages(folder, folder, longest_side=64)
    images = pd.DataFrame({"image_id": [f"{n:032}" for n in range(36)], "path": "gone.jpg", "page": 0})
    images["group_id"] = pd.Series([None] * 36, dtype="str")
    images["split"] = pd.Series([None] * 16 + ["val"] * 16 + ["test"] * 4, dtype="str")
    images["class"] = pd.Series([None] * 36, dtype="str")
    chance = np.random.default_rng(0)
    for image_id in images["image_id"][:32]:
        coarse = chance.integers(0, 256, (5, 5), dtype=np.uint8)
        reduced.put(image_id, cv2.resize(coarse, (48, 40), interpolation=cv2.INTER_CUBIC))
    return images, reduced


def run(archive: tuple[pd.DataFrame, ReducedImages], folder: Path, **changes: Any) -> tuple[Encoder, Trained]:
    encoder = build()
    method = changes.pop("method", "simclr")
    progress = changes.pop("progress", None)
    more = {"progress": progress} if progress else {}
    settings = replace(SETTINGS, **changes)
    trained = train_encoder(encoder, *archive, method=method, settings=settings, checkpoints=folder / "own", **more)
    return encoder, trained


def same(first: Encoder, other: Encoder) -> bool:
    states = first.state_dict(), other.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.fixture(scope="module")
def whole(archive: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, Trained]:
    """A training that nothing disturbed."""
    return run(archive, tmp_path_factory.mktemp("whole"))


def test_training_changes_the_encoder_and_records_each_epoch(whole: Any) -> None:
    encoder, trained = whole
    assert not same(encoder, build())
    assert trained.history.schema == HISTORY
    history = trained.history.to_pandas()
    assert history["epoch"].tolist() == [1, 1, 2, 2, 3, 3]
    assert history["split"].tolist() == ["train", "val"] * 3
    assert np.isfinite(history["loss"]).all()
    assert (history["learning_rate"] > 0).all()
    assert (trained.images, trained.validation_images, trained.epochs) == (16, 16, 3)
    validation = history[history["split"] == "val"]
    assert trained.best_epoch == validation["epoch"].iloc[validation["loss"].argmin()]


def test_training_lowers_the_training_loss(archive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return images + 0.02 * torch.randn(images.shape, generator=generator)

    monkeypatch.setattr("cbir.training.methods.simclr.build_view", lambda *_, **__: noisy)
    _, trained = run(archive, tmp_path, epochs=8, patience=8, temperature=0.5)
    losses = trained.history.to_pandas().query("split == 'train'")["loss"]
    assert losses.tail(2).mean() < losses.head(2).mean() - 0.1


def test_the_same_inputs_give_the_same_bytes(archive: Any, whole: Any, tmp_path: Path) -> None:
    for name, (encoder, _) in {"one": whole, "other": run(archive, tmp_path)}.items():
        encoder.save(tmp_path / name)
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "other/model.safetensors").read_bytes()


def test_workers_change_nothing(archive: Any, whole: Any, tmp_path: Path) -> None:
    assert same(run(archive, tmp_path, workers=1)[0], whole[0])


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_killed_training_goes_on_and_ends_the_same(archive: Any, whole: Any, tmp_path: Path, step: int) -> None:
    steps: list[int] = []

    def killer(iterable: Any, **_: Any) -> Any:
        for at in iterable:
            if at == step:
                raise KilledError
            yield at

    def counter(iterable: Any, **_: Any) -> Any:
        for at in iterable:
            steps.append(at)
            yield at

    with pytest.raises(KilledError):
        run(archive, tmp_path, progress=killer)
    resumed, again = run(archive, tmp_path, progress=counter)
    encoder, trained = whole
    assert same(resumed, encoder)
    assert again.history.equals(trained.history)
    assert again.best_epoch == trained.best_epoch
    assert steps == list(range(6))  # the bar starts where the training was; no step of its own is lost or shown twice


@pytest.mark.parametrize("step", [2, 4])
def test_a_killed_training_with_restarts_and_a_plateau_goes_on_and_ends_the_same(
    archive: Any, tmp_path: Path, step: int
) -> None:
    course = {"optimizer": "adam", "schedule": "plateau", "restarts": [1], "clip_norm": 0.5, "epochs": 3}

    def killer(iterable: Any, **_: Any) -> Any:
        for at in iterable:
            if at == step:
                raise KilledError
            yield at

    expected, before = run(archive, tmp_path / "whole", **course)
    with pytest.raises(KilledError):
        run(archive, tmp_path, progress=killer, **course)
    resumed, after = run(archive, tmp_path, **course)
    assert same(resumed, expected)
    assert after.history.equals(before.history)


@pytest.mark.heavy
def test_a_restart_clipping_and_another_optimizer_each_change_the_course(archive: Any, tmp_path: Path) -> None:
    _, constant = run(archive, tmp_path / "constant", schedule="constant")
    changes: dict[str, dict[str, Any]] = {
        "restart": {"restarts": [1]},
        "clipped": {"clip_norm": 1e-3},
        "adam": {"optimizer": "adam", "weight_decay": 0.1},
    }
    for name, change in changes.items():
        _, other = run(archive, tmp_path / name, schedule="constant", **change)
        assert not other.history.equals(constant.history), name


def test_a_finished_training_is_not_run_again(archive: Any, tmp_path: Path) -> None:
    encoder, trained = run(archive, tmp_path)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a step was run")

    again, same_trained = run(archive, tmp_path, progress=refuse)
    assert same(again, encoder)
    assert same_trained.history.equals(trained.history)


def test_training_stops_when_the_validation_loss_gets_no_better(archive: Any, tmp_path: Path) -> None:
    tiny = {"learning_rate": 1e-30, "head_learning_rate": 1e-30, "freeze_batch_norm": True}
    _, trained = run(archive, tmp_path, epochs=50, patience=2, **tiny)
    assert trained.epochs < 50
    assert trained.epochs == trained.best_epoch + 2


def test_the_encoder_has_the_weights_of_the_best_epoch(archive: Any, tmp_path: Path) -> None:
    encoder, trained = run(archive, tmp_path, learning_rate=0.03, epochs=5)
    assert trained.best_epoch < 5
    losses = trained.history.to_pandas().query("split == 'val'")["loss"]
    assert trained.best_epoch == losses.argmin() + 1
    assert not same(encoder, build())


def test_by_retrieval_it_keeps_the_epoch_that_retrieved_most(
    archive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieved = iter([0.3, 0.8, 0.8, 0.5, 0.4, 0.7])
    monkeypatch.setattr("cbir.training.fitting.fit.map_of_copies", lambda *_: next(retrieved))
    constant = {"keep": "retrieval", "schedule": "constant"}
    encoder, trained = run(archive, tmp_path, **constant, epochs=6, patience=3)
    assert (trained.best_epoch, trained.epochs) == (2, 5)
    retrieved = iter([0.3, 0.8])
    best, _ = run(archive, tmp_path / "two", **constant, epochs=2)
    assert same(encoder, best)


def test_a_killed_training_by_retrieval_knows_its_best_epoch(
    archive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieved = iter([0.8, 0.3])
    monkeypatch.setattr("cbir.training.fitting.fit.map_of_copies", lambda *_: next(retrieved))
    run(archive, tmp_path, keep="retrieval", epochs=2)
    retrieved = iter([0.5])
    _, trained = run(archive, tmp_path, keep="retrieval", epochs=3)
    assert (trained.best_epoch, trained.epochs) == (1, 3)


def test_frozen_batch_norms_keep_their_statistics(archive: Any, whole: Any, tmp_path: Path) -> None:
    start = dict(build().named_buffers())
    frozen = dict(run(archive, tmp_path, freeze_batch_norm=True)[0].named_buffers())
    free = dict(whole[0].named_buffers())
    names = [name for name in start if name.endswith("running_mean")]
    assert all(torch.equal(start[name], frozen[name]) for name in names)
    assert not any(torch.equal(start[name], free[name]) for name in names)


def test_none_leaves_the_backbone_as_it_comes(archive: Any, tmp_path: Path) -> None:
    encoder, trained = run(archive, tmp_path, method="none")
    assert same(encoder, build())
    assert trained.history.schema == HISTORY
    assert (len(trained.history), trained.epochs, trained.best_epoch) == (0, 0, 0)


def test_a_training_that_diverges_says_so(archive: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the loss is no number any more in epoch 1; lower train.learning_rate"):
        run(archive, tmp_path, learning_rate=1e30)


@pytest.fixture
def signals() -> Iterator[None]:
    """Lightning ignores further Ctrl-C after the first, in this process too."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("signals")
def test_ctrl_c_ends_it_as_ctrl_c(archive: Any, tmp_path: Path) -> None:
    def interrupt(iterable: Any, **_: Any) -> Any:
        for at in iterable:
            if at == 1:
                raise KeyboardInterrupt
            yield at

    with pytest.raises(KeyboardInterrupt):
        run(archive, tmp_path, progress=interrupt)


@pytest.mark.parametrize(("kind", "dimension"), [("none", 96), ("centre", 96), ("pca", 15)])
def test_whitening_is_learned_on_the_images_that_may_train(archive: Any, kind: Any, dimension: int) -> None:
    encoder = build()
    fit_whitening(encoder, *archive, kind=kind, settings=SETTINGS)
    assert (encoder.dimension, encoder.config.whitening) == (dimension, kind)


def test_it_writes_nothing_but_its_checkpoint(archive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(archive, tmp_path, epochs=1)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["own", "own/last.ckpt"]
