"""cbir.encoders.backbones.names: read from the libraries' sources, every name and tag that they have is known."""

import open_clip
import timm
from torchvision import models

from cbir.encoders.backbones.names import require_known


def test_all_that_timm_has_is_known() -> None:
    for name in [*timm.list_models(), *timm.list_pretrained()]:
        require_known(f"timm/{name}")


def test_all_that_torchvision_has_is_known() -> None:
    for name in models.list_models(module=models):
        for tag in models.get_model_weights(name).__members__:
            require_known(f"torchvision/{name}:{tag}")


def test_all_that_open_clip_has_is_known() -> None:
    for name in open_clip.list_models():
        require_known(f"open_clip/{name}")
    for name, tag in open_clip.list_pretrained():
        require_known(f"open_clip/{name}:{tag}")
