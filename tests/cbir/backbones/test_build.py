"""cbir.backbones.build: networks by name, and weights that fit or are refused."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models

from cbir.backbones.build import build_towers
from cbir.errors import UserError

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
SMALL = "timm/test_resnet"


def features(backbone: str, *, native: bool = False, **options: Any) -> torch.Tensor:
    with torch.inference_mode():
        return build_towers(backbone, options, native=native).image.eval()(IMAGES)


@pytest.mark.parametrize(
    ("backbone", "shape"),
    [
        (SMALL, (2, 96, 2, 2)),
        ("timm/test_vit", (2, 64, 16, 1)),
        ("torchvision/mobilenet_v2", (2, 1280, 2, 2)),
        ("torchvision/resnet18", (2, 512, 2, 2)),
        ("torchvision/shufflenet_v2_x0_5", (2, 1024, 2, 2)),
    ],
)
def test_a_backbone_gives_its_feature_map(backbone: str, shape: tuple[int, ...]) -> None:
    options = {"img_size": 64, "patch_size": 16} if "vit" in backbone else {}
    assert features(backbone, **options).shape == shape


@pytest.mark.parametrize(
    "backbone", [SMALL, "torchvision/densenet121", "torchvision/mobilenet_v2", "torchvision/resnet18"]
)
def test_native_is_what_the_model_pools_itself(backbone: str) -> None:
    torch.manual_seed(0)
    pooled = features(backbone, native=True)
    torch.manual_seed(0)
    assert torch.allclose(pooled, features(backbone).mean(dim=(2, 3)), atol=1e-5)


def test_an_unknown_backbone_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UserError, match=r"timm/resnet81 is unknown; the nearest are .*timm/resnet18"):
        build_towers("timm/resnet81", {}, native=False)
    with pytest.raises(UserError, match=r"torchvision/resnet_18 is unknown; .*torchvision/resnet18"):
        build_towers("torchvision/resnet_18", {}, native=False)
    with pytest.raises(
        UserError, match="backbone must be timm/NAME, torchvision/NAME, open_clip/NAME or imagehash/NAME, is 'resnet18'"
    ):
        build_towers("resnet18", {}, native=False)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot be built with backbone_options .*paddings"):
        build_towers("timm/resnet18", {"paddings": 1}, native=False)


@pytest.mark.parametrize(
    ("backbone", "model"),
    [
        (SMALL, lambda: timm.create_model("test_resnet", num_classes=7)),
        ("torchvision/mobilenet_v2", lambda: models.mobilenet_v2(num_classes=7)),
    ],
)
def test_a_checkpoint_with_any_classifier_is_loaded(tmp_path: Path, backbone: str, model: Any) -> None:
    path = tmp_path / "weights.safetensors"
    state = model().state_dict()
    save_file(state, path)
    loaded = build_towers(backbone, {}, native=False, weights=str(path)).image.model.state_dict()
    assert loaded
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)


def checkpoint(folder: Path, **changes: torch.Tensor | None) -> str:
    state = timm.create_model("test_resnet").state_dict()
    for name, value in changes.items():
        state.pop(name, None)
        if value is not None:
            state[name] = value
    save_file(state, folder / "weights.safetensors")
    return str(folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"layer1.0.conv1.weight": None}, "layer1.0.conv1.weight is missing;"),
        ({"layer9.weight": torch.ones(1)}, "layer9.weight is unknown;"),
        ({"bn1.weight": torch.ones(3)}, r"bn1.weight has shape \(3,\), not"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=f"do not fit backbone {SMALL}: {reason}"):
        build_towers(SMALL, {}, native=False, weights=checkpoint(tmp_path, **changes))


def test_weights_of_another_architecture_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"do not fit backbone timm/test_vit: .* \(and \d+ more\)"):
        build_towers("timm/test_vit", {}, native=False, weights=checkpoint(tmp_path))


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    for name in ("weights.pt", "weights.pth"):
        (tmp_path / name).write_bytes(b"whatever")
        with pytest.raises(UserError, match=f"{name} is a pickle, which can run any code"):
            build_towers(SMALL, {}, native=False, weights=str(tmp_path / name))


def test_weights_that_are_not_there_or_not_readable_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.safetensors does not exist"):
        build_towers(SMALL, {}, native=False, weights=str(tmp_path / "gone.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"broken.safetensors is no readable .safetensors file"):
        build_towers(SMALL, {}, native=False, weights=str(tmp_path / "broken.safetensors"))
    with pytest.raises(UserError, match=r"weights must be none, pretrained or a .safetensors file, is 'imagenet'"):
        build_towers(SMALL, {}, native=False, weights="imagenet")


def test_pretrained_takes_the_weights_of_timm(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    save_file(state, tmp_path / "own.safetensors")
    options = {"pretrained_cfg_overlay": {"file": str(tmp_path / "own.safetensors"), "source": "file"}}
    loaded = build_towers(SMALL, options, native=False, weights="pretrained").image.model.state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)


def test_pretrained_takes_the_weights_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    state = models.mobilenet_v2().state_dict()
    asked: list[dict[str, Any]] = []

    def download(url: str, **options: Any) -> dict[str, torch.Tensor]:
        asked.append({"url": url, **options})
        return dict(state)

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    loaded = build_towers("torchvision/mobilenet_v2", {}, native=False, weights="pretrained").image.model.state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)
    assert asked[0]["weights_only"] is True


@pytest.mark.parametrize("backbone", ["timm/test_resnet", "torchvision/mobilenet_v2"])
def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch, backbone: str) -> None:
    def offline(*_: Any, **__: Any) -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(UserError, match=r"could not be had \(no route to host\); connect once, or set weights to"):
        build_towers(backbone, {}, native=False, weights="pretrained")
