"""cbir.encoders.config: what is given, what is the backbone's own, and back from a file."""

from pathlib import Path

import pytest

from cbir.base.errors import UserError
from cbir.encoders.config import choose_size, read_config
from cbir.encoders.encoder import build_encoder
from cbir.encoders.preprocess import Preparation, channels

OWN = Preparation(224, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "shortest", 0.875, "bicubic")
OBLONG = Preparation(0, OWN.mean, OWN.std, "shortest", 1.0, "bicubic")


def test_a_size_of_0_is_the_backbones_own() -> None:
    assert choose_size(0, backbone="timm/any", own=OWN) == 224
    assert choose_size(96, backbone="timm/any", own=OWN) == 96
    assert choose_size(96, backbone="timm/any", own=OBLONG) == 96


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="image_size 0 takes the size of timm/any, which is no square; give a number"):
        choose_size(0, backbone="timm/any", own=OBLONG)
    with pytest.raises(UserError, match="image_size must be at least 32 px, or 0: the backbone's own; it is 31"):
        choose_size(31, backbone="timm/any", own=OWN)


def test_one_number_stands_for_all_channels_and_none_for_the_backbones_own() -> None:
    assert channels("mean", [0.5], OWN.mean) == (0.5, 0.5, 0.5)
    assert channels("mean", [0.5, 0.6, 0.7], OWN.mean) == (0.5, 0.6, 0.7)
    assert channels("mean", [], OWN.mean) == OWN.mean


def test_a_configuration_is_read_as_it_was_written(tmp_path: Path) -> None:
    encoder = build_encoder(backbone="timm/test_resnet", image_size=64, resize="model")
    encoder.save(tmp_path)
    assert read_config(tmp_path / "config.json") == encoder.config
