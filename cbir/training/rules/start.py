"""Checks the settings that a training starts from (backbone, weights, input), without loading a network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cbir.base.errors import UserError, nearest
from cbir.encoders.backbones.names import require_known
from cbir.encoders.files import CONFIG_FILE
from cbir.encoders.preprocess import channels, require_size

SHIPPED = "shipped"  # the name in train.weights of those that come with cbir
FOLDER = Path(__file__).parents[1] / "shipped" / "weights"  # its README.md is the model card
NAMED = ("none", "pretrained", SHIPPED)  # weights that are no file of the workspace
DESCRIBING = ("backbone", "backbone_options", "resize", "greyscale", "mean", "std", "pooling")


def require_start(train: Mapping[str, Any], weights_folder: Path) -> None:
    """Checks the section ``train`` of params.yaml, whose values are each of their kind, as far as it goes unloaded.

    Raises:
        UserError: a backbone or weights that are not there, or values that do not go together.
    """
    backbone, weights = train["backbone"], train["weights"]
    require_known(backbone)
    if train["image_size"]:
        require_size(train["image_size"])
    for name in ("mean", "std"):
        channels(name, train[name], (0.5,))
    local_weights(weights, weights_folder)
    if weights == SHIPPED:
        own = json.loads((FOLDER / CONFIG_FILE).read_text(encoding="utf-8"))
        for name in DESCRIBING:
            require_own(name, train[name], own[name])
    _require_texts(train["method"], backbone, train["pooling"])
    if backbone.startswith("imagehash/"):
        _require_plain(train)
    if backbone.startswith("open_clip/") and weights == "pretrained" and ":" not in backbone:
        raise UserError(f"weights pretrained needs a tag in backbone {backbone}, such as {backbone}:openai")


def local_weights(weights: str, folder: Path) -> str:
    """Returns the path of a file of weights; it has to lie in ``folder``, for DVC to see when it changes."""
    if weights in NAMED:
        return weights
    path = folder / weights
    if not path.is_file() or path.resolve().parent != folder.resolve():
        hint = nearest(weights, [*NAMED, *sorted(file.name for file in folder.glob("*.safetensors"))])
        raise UserError(
            f"train.weights is {weights!r}, which is no file in {folder}: copy it there and give its name ({hint})"
        )
    if path.suffix != ".safetensors":
        raise UserError(f"train.weights is {weights!r}, but must be a .safetensors file: convert it and give its name")
    return str(path)


def require_own(name: str, stated: Any, own: Any) -> None:
    """Compares a setting with the shipped encoder's own; one number a channel stands for three."""
    given = [*stated] * (len(own) // len(stated)) if _is_list(own) and _is_list(stated) and stated else stated
    if given not in ([*own] if _is_list(own) else own, [], (), {}):
        raise UserError(
            f"train.{name} of train.weights shipped is {own!r}, is set to {stated!r}; set it to that, or train.weights "
            "to none, pretrained or the name of a file"
        )


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _require_texts(method: str, backbone: str, pooling: str) -> None:
    if method == "clip" and not (backbone.startswith("open_clip/") and pooling == "native"):
        raise reads_no_texts(backbone, pooling)


def reads_no_texts(backbone: str, pooling: str) -> UserError:
    """Returns the error for a backbone without a text tower, which method clip cannot train."""
    return UserError(
        f"train.method clip needs a backbone that reads texts, {backbone} with pooling {pooling} reads none; "
        "set train.backbone: open_clip/NAME and train.pooling: native"
    )


def _require_plain(train: Mapping[str, Any]) -> None:
    """Checks the settings of a perceptual hash, which takes hardly any."""
    backbone = train["backbone"]
    if train["pooling"] != "native":
        raise UserError(f"backbone {backbone} gives no feature map for pooling; use pooling native")
    if train["backbone_options"] or train["weights"] != "none":
        raise UserError(f"backbone {backbone} has neither weights nor options; set train.weights: none")
    if train["mean"] or train["std"]:
        raise UserError(f"backbone {backbone} reads images as they are; leave mean and std empty")
    if train["method"] != "none":
        raise UserError(f"backbone {backbone} has nothing to train; set train.method: none")
