"""cbir.encoders.encoder: the same image gives the same numbers, whatever is beside it and after loading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, attach_heads, build_encoder, load_encoder, whiten
from cbir.encoders.files import encoder_digest
from cbir.encoders.layers import Head
from tests.support.clip import TINY


def build(**changes: Any) -> Encoder:
    chosen: dict[str, Any] = {"backbone": "timm/test_resnet", "image_size": 64, "greyscale": True, "seed": 3}
    return build_encoder(**chosen | changes)


def photographs(count: int) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    shapes = [(50 + 7 * n, 120 - 5 * n, 3)[: 2 + n % 2] for n in range(count)]
    return [chance.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


@pytest.mark.parametrize("greyscale", [True, False])
@pytest.mark.parametrize("pooling", ["gem", "avg", "native"])
def test_embeddings_are_float32_of_length_1(greyscale: bool, pooling: str) -> None:
    encoder = build(greyscale=greyscale, pooling=pooling)
    vectors = encoder.embed(photographs(3))
    assert vectors.shape == (3, encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_embedding_does_not_depend_on_the_images_beside_it(precision: Any) -> None:
    encoder = build()
    images = photographs(11)
    together = encoder.embed(images, batch_size=4, precision=precision)
    alone = np.concatenate([encoder.embed([image], batch_size=4, precision=precision) for image in images])
    turned = encoder.embed(images[::-1], batch_size=4, precision=precision)[::-1]
    assert np.array_equal(together, alone)
    assert np.array_equal(together, turned)


@pytest.mark.parametrize("whitening", ["none", "centre", "pca"])
@pytest.mark.parametrize("pooling", ["gem", "native"])
def test_a_loaded_encoder_gives_the_same_numbers(tmp_path: Path, pooling: str, whitening: Any) -> None:
    encoder = build(pooling=pooling, mean=[0.4], std=[0.2], resize="letterbox")
    images = photographs(9)
    whiten(encoder, encoder.embed(images), whitening)
    encoder.save(tmp_path)
    loaded = load_encoder(tmp_path)
    assert loaded.config == encoder.config
    assert loaded.dimension == {"none": 96, "centre": 96, "pca": 8}[whitening]
    batch = torch.from_numpy(np.stack([encoder.preprocess(image) for image in images]))
    with torch.inference_mode():
        assert torch.equal(loaded(batch), encoder(batch))
    assert np.array_equal(loaded.embed(images), encoder.embed(images))


def build_clip(**changes: Any) -> Encoder:
    chosen: dict[str, Any] = {"backbone": "open_clip/ViT-B-32", "backbone_options": TINY, "pooling": "native"}
    return build(image_size=0, resize="model", greyscale=False, **chosen | changes)


@pytest.mark.parametrize("whitening", ["none", "pca"])
@pytest.mark.parametrize("heads", [True, False])
def test_a_loaded_clip_encoder_gives_the_same_numbers_for_images_and_texts(
    tmp_path: Path, whitening: Any, heads: bool
) -> None:
    encoder = build_clip()
    images, texts = photographs(9), ["a horse", "a river in spring"]
    if heads:
        attach_heads(encoder, Head(width=40, dropout=0.5))
    assert encoder.dimension == (40 if heads else 24)
    whiten(encoder, encoder.embed(images), whitening)
    encoder.save(tmp_path)
    loaded = load_encoder(tmp_path, text=True)
    assert loaded.config == encoder.config
    assert np.array_equal(loaded.embed(images), encoder.embed(images))
    vectors = loaded.embed_texts(texts)
    assert vectors.shape == (2, loaded.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors, encoder.embed_texts(texts))
    without = load_encoder(tmp_path)
    assert not [name for name in without.state_dict() if name.startswith("text.")]
    assert np.array_equal(without.embed(images), encoder.embed(images))


def test_texts_are_whitened_as_the_images_are() -> None:
    encoder = build_clip()
    plain = encoder.embed_texts(["a horse"])
    whiten(encoder, encoder.embed(photographs(5)), "centre")
    centred = plain - encoder.whitening.mean.numpy()
    assert np.allclose(encoder.embed_texts(["a horse"]), centred / np.linalg.norm(centred), atol=1e-6)


def test_heads_are_put_on_both_towers_and_the_images_pass_theirs() -> None:
    encoder = build_clip()
    batch = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        plain = encoder.features(batch)
        attach_heads(encoder, Head(width=40, dropout=0.5))
        assert torch.equal(encoder.eval().features(batch), encoder.head(plain))
    assert encoder.text is not None
    assert not torch.equal(encoder.head[0].weight, encoder.text.head[0].weight)
    alone = build()
    attach_heads(alone, Head(width=40, dropout=0.5))
    assert alone.embed(photographs(1)).shape == (1, 40)


@pytest.mark.parametrize(
    "changes", [{}, {"backbone": "open_clip/ViT-B-32", "backbone_options": TINY, "image_size": 32}]
)
def test_an_encoder_without_a_text_tower_says_so(changes: dict[str, Any]) -> None:
    encoder = build(**changes)
    assert encoder.text is None
    with pytest.raises(UserError, match=r"with pooling gem reads no texts; train one with backbone open_clip/NAME and"):
        encoder.embed_texts(["a horse"])


def test_what_reproduces_the_models_own_preprocessing_stands_in_the_configuration(tmp_path: Path) -> None:
    build(image_size=0, resize="model", backbone="timm/resnet18.a1_in1k").save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["image_size"] == 224
    assert config["scaling"] == {"fit": "shortest", "side": 235, "interpolation": "bicubic", "fill": [124, 116, 104]}
    assert build().config.scaling is None


def test_preprocessed_images_give_the_same_as_images() -> None:
    encoder = build()
    images = photographs(5)
    squares = np.stack([encoder.preprocess(image) for image in images])
    assert np.array_equal(encoder.embed_preprocessed(squares, batch_size=2), encoder.embed(images, batch_size=2))


def test_no_images_give_no_vectors() -> None:
    assert build().embed([]).shape == (0, 96)


def test_bfloat16_stays_within_a_hundredth_of_cosine_distance() -> None:
    encoder = build(backbone="timm/resnet18")
    images = photographs(6)
    exact, fast = (encoder.embed(images, batch_size=6, precision=name) for name in ("float32", "bfloat16"))
    assert not np.array_equal(exact, fast)
    assert (1 - (exact * fast).sum(axis=1)).max() < 0.01


def test_the_whitened_training_images_are_centred() -> None:
    encoder = build()
    vectors = encoder.embed(photographs(12))
    whiten(encoder, vectors, "centre")
    with torch.inference_mode():
        centred = encoder.whitening(torch.from_numpy(vectors))
    assert np.allclose(centred.mean(dim=0), 0, atol=1e-6)


def test_the_same_encoder_is_saved_in_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        build().save(tmp_path / name)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "other")]
    assert [path.name for path in files[0]] == ["config.json", "model.safetensors"]
    assert all(first.read_bytes() == other.read_bytes() for first, other in zip(*files, strict=True))
    assert encoder_digest(tmp_path / "one") == encoder_digest(tmp_path / "other")


def test_the_digest_changes_with_the_weights_and_with_the_configuration(tmp_path: Path) -> None:
    build().save(tmp_path / "one")
    build(seed=4).save(tmp_path / "seed")
    build(mean=[0.1]).save(tmp_path / "mean")
    assert len({encoder_digest(tmp_path / name) for name in ("one", "seed", "mean")}) == 3


def test_mean_and_deviation_are_the_backbones_own_unless_given() -> None:
    assert build(backbone="timm/resnet18").config.mean == (0.485, 0.456, 0.406)
    given = build(mean=[0.4], std=[0.1, 0.2, 0.3]).config
    assert (given.mean, given.std) == ((0.4, 0.4, 0.4), (0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_size": 31}, "image_size must be at least 32 px, or 0: .*; it is 31"),
        ({"resize": "crop"}, "resize must be stretch, letterbox or model, is 'crop'"),
        ({"pooling": "max"}, "pooling must be one of gem, avg, native, is 'max'"),
        ({"mean": [0.5, 0.5]}, "mean must hold 1 or 3 numbers, one a channel, or none; it holds 2"),
        ({"mean": [127.5]}, r"mean must be of values in 0..1, is \[127.5\]"),
        ({"std": [0.0]}, r"std must be of values in 0..1 above 0, is \[0.0\]"),
        ({"backbone": "timm/test_vit", "backbone_options": {"dynamic_img_size": False}}, "cannot take images of 64 px"),
        ({"backbone": "torchvision/vit_b_32", "image_size": 224}, "with pooling gem"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build(**changes)


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no encoder .* run the stage train"):
        load_encoder(tmp_path)
    build().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "whitening": "centre"}))
    with pytest.raises(UserError, match="weights that do not fit"):
        load_encoder(tmp_path)
    save_file({}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="weights that do not fit"):
        load_encoder(tmp_path)


def test_building_leaves_the_global_chance_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build()
    assert torch.equal(torch.rand(1), expected)
