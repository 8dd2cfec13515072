"""cbir.encoders.backbones.build: a backbone by the name of its library."""

import pytest
import torch

from cbir.base.errors import UserError
from cbir.encoders.backbones.build import build_towers

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("backbone", "dimension", "text"),
    [
        ("timm/test_resnet", 96, False),
        ("torchvision/shufflenet_v2_x0_5", 1024, False),
        ("open_clip/ViT-B-32", 16, True),
        ("imagehash/phash", 64, False),
    ],
)
def test_every_library_gives_vectors_and_clip_a_text_tower(backbone: str, dimension: int, text: bool) -> None:
    vision = {"image_size": 64, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    tiny = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": {"width": 16, "heads": 2, "layers": 1}}
    options = tiny if backbone.startswith("open_clip") else {}
    towers = build_towers(backbone, options, native=True)
    with torch.inference_mode():
        assert towers.image.eval()(IMAGES).shape == (2, dimension)
    assert (towers.text is not None) == text


@pytest.mark.parametrize("backbone", ["resnet18", "timm/", "keras/resnet18"])
def test_a_name_without_a_library_is_refused(backbone: str) -> None:
    with pytest.raises(
        UserError, match=rf"imagehash/NAME, open_clip/NAME, timm/NAME or torchvision/NAME, is '{backbone}'"
    ):
        build_towers(backbone, {}, native=False)


@pytest.mark.parametrize("backbone", ["timm/test_resnet", "torchvision/mobilenet_v2", "open_clip/ViT-B-32"])
def test_an_unknown_option_is_refused(backbone: str) -> None:
    with pytest.raises(UserError, match=r"cannot be built with backbone_options .*paddings"):
        build_towers(backbone, {"paddings": 1}, native=False)
