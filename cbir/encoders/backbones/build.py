"""Builds a backbone by the names of its library and model, from scratch or from weights."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cbir.encoders import backbones
from cbir.encoders.backbones.names import ENDING, parts
from cbir.encoders.backbones.towers import Towers


def build_towers(
    backbone: str,
    options: Mapping[str, Any],
    *,
    native: bool,
    weights: str = "none",
    text: bool = True,
    text_folder: Path | None = None,
) -> Towers:
    """Returns a backbone without its classifier, and the text tower that shares its space where there is one.

    Args:
        backbone: ``timm/NAME[.TAG]``, ``torchvision/NAME[:TAG]``, ``open_clip/NAME[:TAG]``, ``imagehash/phash`` or
            ``imagehash/dhash``. A tag names one of the library's pretrained weights: its preprocessing is the tag's,
            and its weights are, where ``weights`` says so.
        options: keyword arguments of the model's constructor; of open_clip the overrides that its ``create_model``
            takes (embed_dim, vision_cfg, text_cfg).
        native: pool as the model itself does, instead of giving its feature map. CLIP's own pooling projects into the
            space that it shares with texts.
        weights: ``none`` (from scratch, with torch's global generator), ``pretrained`` (the library's own, downloaded
            once) or the path of a .safetensors file.
        text: with the text tower, where there is one; without it neither its weights nor its tokenizer are needed.
        text_folder: where `TextTower.save` wrote its files; None: where the configuration says.

    Raises:
        UserError: an unknown name, tag or option, weights that cannot be had or are another architecture's.
    """
    library, name = parts(backbone)
    module = importlib.import_module(f"{backbones.__name__}.{library}{ENDING}")
    towers: Towers = module.build(name, options, native=native, weights=weights, text=text, text_folder=text_folder)
    return towers
