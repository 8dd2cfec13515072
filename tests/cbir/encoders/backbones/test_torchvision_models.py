"""cbir.encoders.backbones.torchvision_models: networks, their checkpoints and how they want their images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from cbir.base.errors import UserError
from cbir.encoders.backbones.towers import Backbone
from tests.support.backbones import assert_prepares_as, build_image_tower, offline

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
SMALL = "torchvision/shufflenet_v2_x0_5"


def build(backbone: str = SMALL, **options: Any) -> Backbone:
    return build_image_tower(backbone, **options)


@pytest.mark.parametrize(
    ("backbone", "shape"),
    [
        ("torchvision/mobilenet_v2", (2, 1280, 2, 2)),
        ("torchvision/resnet18", (2, 512, 2, 2)),
        (SMALL, (2, 1024, 2, 2)),
    ],
)
def test_a_backbone_gives_its_feature_map(backbone: str, shape: tuple[int, ...]) -> None:
    with torch.inference_mode():
        assert build(backbone)(IMAGES).shape == shape


@pytest.mark.parametrize("backbone", ["torchvision/densenet121", "torchvision/mobilenet_v2", "torchvision/resnet18"])
def test_native_is_what_the_model_pools_itself(backbone: str) -> None:
    torch.manual_seed(0)
    pooled = build(backbone, native=True)
    torch.manual_seed(0)
    with torch.inference_mode():
        assert torch.allclose(pooled(IMAGES), build(backbone)(IMAGES).mean(dim=(2, 3)), atol=1e-5)


def test_an_unknown_name_or_tag_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"torchvision/resnet_18 is unknown; .*torchvision/resnet18"):
        build("torchvision/resnet_18")
    with pytest.raises(UserError, match=r"resnet50 has no pretrained tag 'IMAGENET_V2'; did you mean IMAGENET1K_V2"):
        build("torchvision/resnet50:IMAGENET_V2")


def test_a_checkpoint_with_any_classifier_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    state = models.shufflenet_v2_x0_5(num_classes=7).state_dict()
    save_file(state, path)
    loaded = build(weights=path).model.state_dict()
    assert loaded
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)
    with pytest.raises(UserError, match=rf"weights {path} do not fit backbone torchvision/resnet18: .* is missing"):
        build("torchvision/resnet18", weights=path)


def test_pretrained_takes_the_weights_of_the_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    state = models.mobilenet_v2().state_dict()
    asked: list[dict[str, Any]] = []

    def download(url: str, **options: Any) -> dict[str, torch.Tensor]:
        asked.append({"url": url, **options})
        return dict(state)

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    for name in ("mobilenet_v2", "mobilenet_v2:IMAGENET1K_V1"):
        loaded = build(f"torchvision/{name}", weights="pretrained").model.state_dict()
        assert all(torch.equal(loaded[name], state[name]) for name in loaded)
    weights = models.MobileNet_V2_Weights
    assert [call["url"] for call in asked] == [weights.DEFAULT.url, weights.IMAGENET1K_V1.url]
    assert all(call["weights_only"] is True for call in asked)


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(
        UserError, match=r"could not be downloaded \(no route to host\); connect once, or set weights to"
    ):
        build(weights="pretrained")


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mobilenet_v2:IMAGENET1K_V1", models.MobileNet_V2_Weights.IMAGENET1K_V1),
        ("mobilenet_v2:IMAGENET1K_V2", models.MobileNet_V2_Weights.IMAGENET1K_V2),
        ("mobilenet_v2", models.MobileNet_V2_Weights.DEFAULT),
        ("efficientnet_b1:IMAGENET1K_V1", models.EfficientNet_B1_Weights.IMAGENET1K_V1),
    ],
)
def test_images_are_prepared_as_torchvision_does_in_its_evaluation(name: str, weights: Any) -> None:
    own = build(f"torchvision/{name}").preparation
    transform = weights.transforms()
    assert_prepares_as(own, transform)


def test_a_network_that_converts_its_input_is_given_what_it_converts_to() -> None:
    model = models.googlenet(init_weights=False, transform_input=True, aux_logits=False)
    shown = models.GoogLeNet_Weights.DEFAULT.transforms()(torch.rand(3, 300, 300))[None]
    own = build("torchvision/googlenet", init_weights=False).preparation
    imagenet = models.GoogLeNet_Weights.DEFAULT.transforms()
    pixels = shown[0].permute(1, 2, 0) * torch.tensor(imagenet.std) + torch.tensor(imagenet.mean)
    expected = model._transform_input(shown)[0].permute(1, 2, 0)
    assert torch.allclose((pixels - torch.tensor(own.mean)) / torch.tensor(own.std), expected, atol=1e-5)
