"""Networks of torchvision, by any of its classifiers' names with or without a tag."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from cbir.encoders.backbones.refusals import no_download, refusing_options, unknown, unknown_tag
from cbir.encoders.backbones.towers import Backbone, Towers
from cbir.encoders.backbones.weights import load_strictly, read_safetensors, without
from cbir.encoders.preprocess import Preparation

HEADS = ("fc", "classifier", "heads", "head")  # torchvision's names of classifiers
AUXILIARY = ("aux1", "aux2", "AuxLogits")  # second classifiers, used in training only
HALVES = (0.5, 0.5, 0.5)
OWN_SCALE = ("googlenet", "inception_v3")  # trained on -1..1; with its weights torchvision converts in the network


class TorchvisionBackbone(Backbone):
    """A torchvision model: its feature map for pooling, or the input of its last linear layer."""

    def forward(self, images: Tensor) -> Tensor:
        """Computes features (B, d, h, w), or (B, d) when native, of normalised images (B, 3, H, W)."""
        if self.native:
            return self.model(images)
        features = images
        for name, child in self.model.named_children():
            if name == "avgpool":
                break
            features = child(features)
        densenet = "norm5" in dict(getattr(self.model, "features", self.model).named_children())
        return functional.relu(features) if densenet else features  # a DenseNet's last one is not a module


def build(name: str, options: Mapping[str, Any], *, native: bool, weights: str, **_text: Any) -> Towers:
    """Returns a model by ``NAME`` or ``NAME:TAG``; the arguments are those of ``build_towers``."""
    from torchvision import models

    architecture, _, tag = name.partition(":")
    known = models.list_models(module=models)
    if architecture not in known:
        raise unknown(f"torchvision/{architecture}", [f"torchvision/{model_name}" for model_name in known])
    tags = models.get_model_weights(architecture).__members__
    if tag and tag not in tags:
        raise unknown_tag(f"torchvision/{architecture}", tag, tags)
    chosen = tags[tag or "DEFAULT"]
    with refusing_options(f"torchvision/{name}", options):
        model = models.get_model(architecture, weights=None, **options)
    removed = _remove_last_linear(model) if native else _remove_heads(model)
    if weights != "none":
        state = _download(name, chosen) if weights == "pretrained" else read_safetensors(Path(weights))
        state = without(state, removed, kept=model.state_dict())
        load_strictly(model, state, backbone=f"torchvision/{name}", weights=weights)
    preparation = _preparation(architecture, chosen.transforms())
    return Towers(TorchvisionBackbone(model, native=native, preparation=preparation))


def _preparation(architecture: str, transforms: Any) -> Preparation:
    (size,), (scaled,) = transforms.crop_size, transforms.resize_size
    own = architecture in OWN_SCALE
    return Preparation(
        size=size,
        mean=HALVES if own else tuple(transforms.mean),
        std=HALVES if own else tuple(transforms.std),
        fit="shortest",
        crop=Fraction(size, scaled),
        interpolation=transforms.interpolation.value,
    )


def _remove_heads(model: nn.Module) -> tuple[str, ...]:
    removed = tuple(name for name, _ in model.named_children() if name in (*HEADS, *AUXILIARY))
    for name in removed:
        setattr(model, name, nn.Identity())
    return removed


def _remove_last_linear(model: nn.Module) -> tuple[str, ...]:
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n.split(".")[0] in HEADS]
    if not linear:
        return ()
    model.set_submodule(linear[-1], nn.Identity())
    return (linear[-1],)


def _download(name: str, chosen: Any) -> dict[str, Tensor]:
    try:
        return chosen.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise no_download(f"torchvision/{name}", error) from error
