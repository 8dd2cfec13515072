"""cbir.encoders.backbones.timm_models: networks of timm, their checkpoints and how they want their images."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from torch import Tensor

from cbir.base.errors import UserError
from cbir.encoders.backbones.towers import Backbone
from tests.support.backbones import assert_prepares_as, build_image_tower, offline

SMALL = "timm/test_resnet"
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def build(backbone: str = SMALL, **options: Any) -> Backbone:
    return build_image_tower(backbone, **options)


def saved(folder: Path, state: dict[str, Tensor]) -> Path:
    save_file({name: value.clone().contiguous() for name, value in state.items()}, folder / "weights.safetensors")
    return folder / "weights.safetensors"


@pytest.mark.parametrize(
    ("backbone", "options", "shape"),
    [
        (SMALL, {}, (2, 96, 2, 2)),
        ("timm/test_vit", {"img_size": 64, "patch_size": 16}, (2, 64, 16, 1)),
        ("timm/swin_tiny_patch4_window7_224", {"img_size": 64, "embed_dim": 24}, (2, 192, 2, 2)),
    ],
)
def test_a_backbone_gives_its_feature_map(backbone: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    with torch.inference_mode():
        assert build(backbone, **options)(IMAGES).shape == shape


def test_native_is_what_the_model_pools_itself() -> None:
    torch.manual_seed(0)
    pooled = build(native=True)
    torch.manual_seed(0)
    with torch.inference_mode():
        assert torch.allclose(pooled(IMAGES), build()(IMAGES).mean(dim=(2, 3)), atol=1e-5)


def test_an_unknown_name_or_tag_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"timm/resnet81 is unknown; did you mean .*timm/resnet18"):
        build("timm/resnet81")
    with pytest.raises(UserError, match=r"timm/resnet50 has no pretrained tag 'a1_in2k'; did you mean .*a1_in1k"):
        build("timm/resnet50.a1_in2k")
    with pytest.raises(UserError, match=r"has no pretrained tag 'a1'; it has none; give its name without a tag"):
        build("timm/vit_base_patch16_xp_224.a1")


@pytest.mark.parametrize("classes", [7, 1000])
def test_a_checkpoint_with_any_classifier_is_loaded(tmp_path: Path, classes: int) -> None:
    state = timm.create_model("test_resnet", num_classes=classes).state_dict()
    loaded = build(weights=saved(tmp_path, state)).model.state_dict()
    assert loaded
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)


def test_a_checkpoint_in_the_authors_own_names_is_converted_by_timm(tmp_path: Path) -> None:
    options: dict[str, Any] = {"depth": 2, "embed_dim": 48, "num_heads": 2, "img_size": 56}
    name = "vit_small_patch14_dinov2.lvd142m"
    state = timm.create_model(name, **options).state_dict()
    original = state | {"mask_token": torch.zeros(1, 48)}
    loaded = build(f"timm/{name}", weights=saved(tmp_path, original), **options).model.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


def test_positions_of_another_image_size_are_resized_as_timm_does(tmp_path: Path) -> None:
    state = timm.create_model("test_vit").state_dict()
    weights = saved(tmp_path, state)
    overlay = {"file": str(weights), "source": "file"}
    expected = timm.create_model("test_vit", pretrained=True, pretrained_cfg_overlay=overlay, img_size=80)
    loaded = build("timm/test_vit", weights=weights, img_size=80).model
    assert loaded.pos_embed.shape != state["pos_embed"].shape
    assert torch.equal(loaded.pos_embed, expected.pos_embed)


def test_kernels_of_another_patch_size_are_another_architecture(tmp_path: Path) -> None:
    weights = saved(tmp_path, timm.create_model("test_vit", patch_size=8, img_size=80).state_dict())
    with pytest.raises(UserError, match=r"patch_embed.proj.weight has shape \(64, 3, 8, 8\), not \(64, 3, 16, 16\)"):
        build("timm/test_vit", weights=weights)


def checkpoint(folder: Path, **changes: Tensor | None) -> Path:
    state = timm.create_model("test_resnet").state_dict() | changes
    return saved(folder, {name: value for name, value in state.items() if value is not None})


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
        build(weights=checkpoint(tmp_path, **changes))


@pytest.mark.parametrize("backbone", ["timm/test_vit", "timm/swin_tiny_patch4_window7_224", "timm/test_efficientnet"])
def test_weights_of_another_architecture_are_refused_in_one_sentence(tmp_path: Path, backbone: str) -> None:
    with pytest.raises(
        UserError, match=rf"do not fit backbone {backbone}: .* \(and \d+ more\); give those of the same"
    ):
        build(backbone, weights=checkpoint(tmp_path))


def test_pretrained_takes_the_weights_of_timm(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    overlay = {"file": str(saved(tmp_path, state)), "source": "file"}
    loaded = build(weights="pretrained", pretrained_cfg_overlay=overlay).model.state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(
        UserError, match=r"could not be downloaded \(no route to host\); connect once, or set weights to"
    ):
        build(weights="pretrained")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18.a1_in1k", {}),
        ("resnet18.tv_in1k", {}),
        ("test_vit", {"img_size": 96}),
        ("vit_tiny_patch16_224", {"depth": 1, "pretrained_cfg_overlay": {"crop_mode": "squash", "crop_pct": 0.9}}),
        ("test_resnet", {"pretrained_cfg_overlay": {"crop_mode": "border", "interpolation": "bilinear"}}),
    ],
)
def test_images_are_prepared_as_timm_does_in_its_evaluation(name: str, options: dict[str, Any]) -> None:
    own = build(f"timm/{name}", **options).preparation
    size = {"img_size": options["img_size"]} if "img_size" in options else {}
    transform = create_transform(**resolve_data_config(size, model=timm.create_model(name, **options)))
    assert_prepares_as(own, transform)


def test_a_checkpoint_among_the_options_is_told_to_go_where_weights_are(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"no checkpoint")
    with pytest.raises(
        UserError, match=r"checkpoint_path is not taken; copy the file to models/weights as \.safetensors"
    ):
        build(checkpoint_path=str(tmp_path / "a.pth"))
