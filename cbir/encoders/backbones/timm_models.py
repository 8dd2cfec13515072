"""Networks of timm, by any of its names with or without a tag."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cbir.base.errors import UserError
from cbir.encoders.backbones.refusals import no_download, refusing_options, unknown, unknown_tag
from cbir.encoders.backbones.towers import Backbone, Towers
from cbir.encoders.backbones.weights import faults, load_strictly, misfit, read_safetensors, without
from cbir.encoders.preprocess import Fit, Preparation

FITS: dict[str, Fit] = {"center": "shortest", "squash": "squash", "border": "longest"}


class TimmBackbone(Backbone):
    """A timm model: its feature map for pooling, or the features that it pools itself."""

    def forward(self, images: Tensor) -> Tensor:
        """Computes features (B, d, h, w), or (B, d) when native, of normalised images (B, 3, H, W)."""
        features = self.model.forward_features(images)
        if self.native:
            return self.model.forward_head(features, pre_logits=True)
        if features.ndim == 3:  # a transformer's tokens: (B, N, d), class and register tokens first
            patches = features[:, getattr(self.model, "num_prefix_tokens", 0) :]
            return patches.transpose(1, 2).unsqueeze(-1)
        channels_last = features.shape[1] != self.model.num_features and features.shape[-1] == self.model.num_features
        return features.permute(0, 3, 1, 2) if channels_last else features


def build(name: str, options: Mapping[str, Any], *, native: bool, weights: str, **_text: Any) -> Towers:
    """Returns a model by ``NAME`` or ``NAME.TAG``; the arguments are those of ``build_towers``."""
    import timm

    if "checkpoint_path" in options:  # timm would unpickle it, and DVC would not see it
        raise UserError(
            "backbone_options: checkpoint_path is not taken; copy the file to models/weights as .safetensors, and name "
            "it in train.weights"
        )
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown(f"timm/{name}", [f"timm/{known}" for known in timm.list_models()])
    tags = [known.removeprefix(f"{architecture}.") for known in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise unknown_tag(f"timm/{architecture}", tag, tags)
    model = _create(name, options, pretrained=weights == "pretrained")
    with refusing_options(f"timm/{name}", options):
        backbone = TimmBackbone(model, native=native, preparation=_preparation(model, options))
    if weights not in ("none", "pretrained"):
        _load(model, name, weights)
    return Towers(backbone)


def _create(name: str, options: Mapping[str, Any], *, pretrained: bool) -> nn.Module:
    import timm

    with refusing_options(f"timm/{name}", options):
        if not pretrained:
            return timm.create_model(name, num_classes=0, **options)
        try:
            return timm.create_model(name, pretrained=True, num_classes=0, **options)
        except (OSError, RuntimeError) as error:
            raise no_download(f"timm/{name}", error) from error


def _preparation(model: Any, options: Mapping[str, Any]) -> Preparation:
    from timm.data import resolve_data_config

    facts = resolve_data_config({"img_size": options.get("img_size")}, model=model)
    _, height, width = facts["input_size"]
    return Preparation(
        size=height if height == width else 0,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        fit=FITS[facts["crop_mode"]],
        crop=facts["crop_pct"],
        interpolation=facts["interpolation"],
        fill=tuple(round(255 * value) for value in facts["mean"]),
    )


def _load(model: Any, name: str, weights: str) -> None:
    """Loads the weights of a file; those with the original authors' names go through timm's own conversion."""
    backbone = f"timm/{name}"
    classifier = model.pretrained_cfg.get("classifier") or ()
    classifiers = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    kept = model.state_dict()
    given = read_safetensors(Path(weights))
    state = without(given, classifiers, kept=kept)
    if misfits := faults(model, state):
        state = without(_converted(model, name, given, misfit(backbone, weights, misfits)), classifiers, kept=kept)
    load_strictly(model, state, backbone=backbone, weights=weights)


def _converted(model: nn.Module, name: str, given: Mapping[str, Tensor], refusal: UserError) -> dict[str, Tensor]:
    import timm

    module = importlib.import_module(timm.model_entrypoint(name).__module__)
    if not hasattr(module, "checkpoint_filter_fn"):
        raise refusal
    try:
        state = module.checkpoint_filter_fn(dict(given), model)
    except Exception as error:  # it takes for granted that the names are those of the architecture
        raise refusal from error
    # It also resizes the kernels of another patch size, which are another architecture; positions may be resized.
    resized = {n: given[n] for n in state if n in given and given[n].shape != state[n].shape and "pos" not in n}
    return {**state, **resized}
