"""cbir.training.tuning: which parts of the two towers are trained."""

from pathlib import Path
from typing import Any

import pytest

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder
from cbir.training.tuning import finish_towers, prepare_towers
from tests.support.clip import TINY, build, multilingual_options
from tests.support.training import train_settings

RESNET = TINY | {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}}


def trained(encoder: Encoder, **changes: Any) -> set[str]:
    """The first words of the names of what is trained after the towers were prepared."""
    prepare_towers(encoder, encoder.text, train_settings(**changes))
    return {name for name, weight in encoder.named_parameters() if weight.requires_grad}


def test_full_trains_everything() -> None:
    encoder = build()
    assert trained(encoder) == {name for name, _ in encoder.named_parameters()}


def test_last_blocks_train_with_the_norm_and_the_projection_behind_them() -> None:
    tuned = trained(build(), tune="last_blocks", image_blocks=1, text_blocks=2)
    image = {name.removeprefix("backbone.model.") for name in tuned if name.startswith("backbone.model.")}
    blocks = {name for name in image if name.startswith("transformer.resblocks.")}
    assert {name.split(".")[2] for name in blocks} == {"1"}
    assert image - blocks == {"ln_post.weight", "ln_post.bias", "proj"}
    text = {name.removeprefix("text.model.") for name in tuned if name.startswith("text.model.")}
    blocks = {name for name in text if name.startswith("transformer.resblocks.")}
    assert {name.split(".")[2] for name in blocks} == {"0", "1"}
    assert text - blocks == {"ln_final.weight", "ln_final.bias", "text_projection"}
    assert tuned - {f"backbone.model.{name}" for name in image} - {f"text.model.{name}" for name in text} == {
        "text.logit_scale"
    }


def test_of_a_tower_that_trains_no_block_nothing_is_trained() -> None:
    tuned = trained(build(), tune="last_blocks", image_blocks=1, text_blocks=0)
    assert {name for name in tuned if name.startswith("text.")} == {"text.logit_scale"}


def test_last_blocks_of_a_multilingual_tower_are_its_last_layers(tmp_path: Path) -> None:
    tuned = trained(build(multilingual_options(tmp_path)), tune="last_blocks", text_blocks=1)
    text = {name.removeprefix("text.model.") for name in tuned if name.startswith("text.model.")}
    layers = {name for name in text if name.startswith("transformer.encoder.layer.")}
    assert {name.split(".")[3] for name in layers} == {"1"}
    assert {name.partition(".")[0] for name in text - layers} == {"proj"}


def test_heads_train_alone_over_frozen_towers() -> None:
    encoder = build()
    tuned = trained(encoder, tune="heads", head_width=20)
    layers = {f"{head}.{at}.{kind}" for head in ("head", "text.head") for at in (0, 3) for kind in ("weight", "bias")}
    assert tuned == layers | {"text.logit_scale"}
    assert (encoder.dimension, encoder.config.head.width) == (20, 20)


def test_lora_trains_adapters_alone_and_leaves_none() -> None:
    encoder = build()
    tuned = trained(encoder, tune="lora")
    assert all("lora_" in name or name == "text.logit_scale" for name in tuned)
    assert len(tuned) == 1 + 2 * 2 * 3 * 2  # towers, blocks, layers, A and B
    finish_towers(encoder, encoder.text)
    assert not any("lora_" in name for name in encoder.state_dict())
    assert all(weight.requires_grad for weight in encoder.parameters())


def test_last_blocks_of_a_tower_that_is_no_row_of_blocks_are_refused() -> None:
    with pytest.raises(UserError, match=r"train.tune last_blocks needs towers that are one row of blocks"):
        trained(build(RESNET, backbone="open_clip/RN50"), tune="last_blocks")
