"""cbir.encoders.backbones.weights: weights that fit are loaded whole, others are refused in one sentence."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cbir.base.errors import UserError
from cbir.encoders.backbones.weights import load_strictly, read_safetensors, without


def state(**changes: Any) -> dict[str, torch.Tensor]:
    own = {"0.weight": torch.ones(2, 3), "0.bias": torch.ones(2)} | {n.replace("_", "."): v for n, v in changes.items()}
    return {name: value for name, value in own.items() if value is not None}


def test_weights_that_fit_are_loaded() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    load_strictly(model, state(), backbone="timm/any", weights="any.safetensors")
    assert torch.equal(model[0].weight, torch.ones(2, 3))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"0_bias": None}, "0.bias is missing;"),
        ({"1_bias": torch.ones(1)}, "1.bias is unknown;"),
        ({"0_bias": torch.ones(3)}, r"0.bias has shape \(3,\), not \(2,\);"),
        ({"0_bias": None, "0_weight": None}, r"0.weight is missing \(and 1 more\);"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(changes: dict[str, Any], reason: str) -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    before = model[0].weight.clone()
    with pytest.raises(
        UserError, match=f"^weights any.safetensors do not fit backbone timm/any: {reason} give those of"
    ):
        load_strictly(model, state(**changes), backbone="timm/any", weights="any.safetensors")
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.bin", "weights.ckpt"])
def test_a_pickle_is_refused_unread(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(UserError, match=f"{name} is a pickle, which can run any code"):
        read_safetensors(tmp_path / name)


def test_a_file_that_is_not_there_or_not_readable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.safetensors does not exist"):
        read_safetensors(tmp_path / "gone.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"broken.safetensors is no readable .safetensors file"):
        read_safetensors(tmp_path / "broken.safetensors")
    with pytest.raises(UserError, match=r"weights must be none, pretrained or a .safetensors file, is 'imagenet'"):
        read_safetensors(Path("imagenet"))


def test_dropped_modules_leave_what_the_model_has_itself(tmp_path: Path) -> None:
    save_file(state(fc_weight=torch.ones(1), fc_norm=torch.ones(2), fcs=torch.ones(3)), tmp_path / "any.safetensors")
    given = read_safetensors(tmp_path / "any.safetensors")
    assert sorted(without(given, ["fc"], kept=["fc.norm"])) == ["0.bias", "0.weight", "fc.norm", "fcs"]
