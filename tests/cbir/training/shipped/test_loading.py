"""cbir.training.shipped.loading: an encoder in half the bytes that embeds as it did, and refuses when it does not."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, build_encoder, whiten
from cbir.training.shipped.loading import CHECK_FILE, FOLDER, load_shipped, save_shipped


def _pictures(count: int) -> list[NDArray[np.uint8]]:
    chance = np.random.default_rng(0)
    coarse = chance.integers(0, 256, (count, 5, 5), dtype=np.uint8)
    return [cv2.resize(image, (48, 40), interpolation=cv2.INTER_CUBIC).astype(np.uint8) for image in coarse]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32, greyscale=True, mean=[0.5], std=[0.25], seed=3)
    whiten(encoder, encoder.embed(_pictures(8)), "centre")
    return encoder


@pytest.fixture(scope="module")
def saved(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    save_shipped(encoder, folder, picture=_pictures(1)[0])
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return shutil.copytree(saved, tmp_path / "shipped")


def test_an_encoder_in_half_the_bytes_gives_its_embeddings_but_for_rounding(encoder: Encoder, saved: Path) -> None:
    stored = load_file(saved / "model.safetensors")
    assert {str(value.dtype) for value in stored.values()} <= {"torch.float16", "torch.int64"}
    images = _pictures(6)
    cosine = (load_shipped({}, folder=saved).embed(images) * encoder.embed(images)).sum(axis=1)
    assert cosine.min() > 0.99  # of a network from scratch, whose embeddings hardly differ before they are centred


def test_its_size_of_image_is_its_own_unless_another_is_asked_for(saved: Path) -> None:
    assert load_shipped({}, folder=saved).config.image_size == 32
    assert load_shipped({}, image_size=64, folder=saved).config.image_size == 64


@pytest.mark.parametrize(
    "stated",
    [
        {"backbone": "timm/test_resnet", "backbone_options": {}, "resize": "stretch", "greyscale": True},
        {"mean": [], "std": []},
        {"mean": [0.5], "std": [0.25, 0.25, 0.25], "pooling": "gem"},
    ],
)
def test_settings_that_are_its_own_or_empty_are_taken(saved: Path, stated: Mapping[str, Any]) -> None:
    assert load_shipped(stated, folder=saved).config.backbone == "timm/test_resnet"


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        ("backbone", "timm/resnet50", "'timm/test_resnet'"),
        ("backbone_options", {"pad_type": "same"}, "{}"),
        ("greyscale", False, "True"),
        ("mean", [0.4], r"\(0.5, 0.5, 0.5\)"),
        ("pooling", "avg", "'gem'"),
        ("resize", "letterbox", "'stretch'"),
    ],
)
def test_another_setting_than_its_own_is_refused_with_both(saved: Path, name: str, value: Any, own: str) -> None:
    rule = f"train.{name} of train.weights shipped is {own}, is set to .*; set it to that, or train.weights to none"
    with pytest.raises(UserError, match=rule):
        load_shipped({name: value}, folder=saved)


def test_weights_that_embed_the_picture_otherwise_are_refused(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    stem = next(name for name in state if name.startswith("backbone.model.conv1"))
    save_file(state | {stem: -state[stem]}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"embed their picture with a cosine of .*, which must be at least 0.999"):
        load_shipped({}, folder=folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", CHECK_FILE])
def test_a_missing_or_damaged_file_is_one_sentence(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"damaged")
    rule = r"^the weights that come with cbir cannot be read from .*; install cbir again$"
    with pytest.raises(UserError, match=rule):
        load_shipped({}, folder=folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match=rule):
        load_shipped({}, folder=folder)


def test_what_ships_is_small_has_its_card_and_gives_the_embedding_that_it_gave() -> None:
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    assert size <= 12_000_000
    assert "## Limits" in (FOLDER / "README.md").read_text(encoding="utf-8")
    encoder = load_shipped({"backbone": "timm/mobilenetv2_100"})
    assert encoder.config.whitening == "centre"
    assert encoder.embed(_pictures(2)).shape == (2, encoder.dimension)
