"""The encoders of the presets by their real names: built without weights, loaded from a checkpoint, strictly.

The checkpoints are made by the libraries themselves; one model is in memory at a time.
"""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from cbir.encoders.encoder import build_encoder, load_encoder
from tests.support.clip import photographs

TEXTS = ["cavalry crossing a river", "la cavalerie traverse une rivière " * 20]


@dataclass(frozen=True)
class Case:
    """A preset's backbone, the library's own model of that name, and what the library makes of images with it."""

    backbone: str
    create: Callable[[], nn.Module]
    features: Callable[[Any, Tensor], Tensor]
    preprocess: Callable[[Any], Callable[[Image.Image], Tensor]]


def _timm(name: str) -> Case:
    def preprocess(model: Any) -> Callable[[Image.Image], Tensor]:
        return timm.data.create_transform(**timm.data.resolve_data_config({}, model=model), is_training=False)

    def features(model: Any, images: Tensor) -> Tensor:
        return model.forward_head(model.forward_features(images), pre_logits=True)

    return Case(f"timm/{name}", lambda: timm.create_model(name), features, preprocess)


def _torchvision(name: str, tag: str) -> Case:
    def features(model: Any, images: Tensor) -> Tensor:
        return nn.Sequential(*list(model.children())[:-1])(images).flatten(1)

    weights = models.get_model_weights(name)[tag]
    return Case(f"torchvision/{name}:{tag}", lambda: models.get_model(name), features, lambda _: weights.transforms())


def _open_clip(name: str, tag: str) -> Case:
    said = open_clip.get_pretrained_cfg(name, tag)
    options = {key: said[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    return Case(
        f"open_clip/{name}:{tag}",
        lambda: open_clip.create_model(name, force_quick_gelu=said.get("quick_gelu", False)),
        lambda model, images: model.encode_image(images, normalize=True),
        lambda model: open_clip.image_transform(model.visual.image_size, is_train=False, **options),
    )


CASES = [
    _timm("resnet50.a1_in1k"),
    _timm("vit_small_patch14_dinov2.lvd142m"),
    _timm("resnet152"),
    _torchvision("resnet50", "IMAGENET1K_V2"),
    _open_clip("ViT-B-32", "openai"),
]


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.backbone, marks=pytest.mark.heavy) for case in CASES],
)
def test_a_checkpoint_of_the_library_gives_the_librarys_vectors_also_after_saving(case: Case, tmp_path: Path) -> None:
    torch.manual_seed(7)
    model = case.create().eval()
    checkpoint = tmp_path / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, checkpoint)
    images = photographs(2)
    transform = case.preprocess(model)
    prepared = torch.stack([transform(Image.fromarray(image)) for image in images])
    with torch.inference_mode():
        expected = functional.normalize(case.features(model, prepared)).numpy()
        texts = _texts_of(case, model)
    del model
    encoder = build_encoder(
        backbone=case.backbone, weights=str(checkpoint), image_size=0, resize="model", pooling="native", seed=1
    )
    squares = torch.from_numpy(np.stack([encoder.preprocess(image) for image in images])).permute(0, 3, 1, 2) / 255
    own = (squares - encoder.mean) / encoder.std
    assert own.shape == prepared.shape
    assert ((own - prepared).abs() * encoder.std).max() < 1 / 255
    vectors = encoder.embed(images, batch_size=2, precision="float32")
    assert np.allclose(vectors, expected, atol=1e-5)
    encoder.save(tmp_path / "encoder")
    if texts is not None:
        given = encoder.embed_texts(TEXTS)
        assert np.allclose(given, texts, atol=1e-5)
    del encoder
    loaded = load_encoder(tmp_path / "encoder", text=texts is not None)
    assert np.array_equal(loaded.embed(images, batch_size=2, precision="float32"), vectors)
    if texts is not None:
        assert np.array_equal(loaded.embed_texts(TEXTS), given)


def _texts_of(case: Case, model: Any) -> np.ndarray | None:
    library, _, name = case.backbone.partition("/")
    if library != "open_clip":
        return None
    tokens = open_clip.get_tokenizer(name.partition(":")[0])(TEXTS)
    return model.encode_text(tokens, normalize=True).numpy()
