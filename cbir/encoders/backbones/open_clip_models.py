"""CLIP and SigLIP models of open_clip: an image tower and, with its own pooling, the text tower of the same space."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cbir.base.errors import UserError
from cbir.encoders.backbones.refusals import no_download, one_line, refusing_options, unknown, unknown_tag
from cbir.encoders.backbones.towers import Backbone, Towers
from cbir.encoders.backbones.weights import load_strictly, misfit, read_safetensors, without
from cbir.encoders.preprocess import Preparation
from cbir.encoders.text import TextTower

OPTIONS = (
    "embed_dim",
    "vision_cfg",
    "text_cfg",
    "quick_gelu",
    "init_logit_scale",
    "init_logit_bias",
    "nonscalar_logit_scale",
)
PREPARED = ("mean", "std", "interpolation", "resize_mode", "fill_color")  # a tag's facts on its images
NO_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}  # built and thrown away
BUFFERS = (  # saved beside the weights by older versions
    "input_resolution",
    "context_length",
    "vocab_size",
    "attn_mask",
    "text.attn_mask",
    "text.transformer.embeddings.position_ids",
)
TEXT_PARTS = ("text", "transformer", "token_embedding", "ln_final")  # modules; in old checkpoints without "text."
TEXT_TENSORS = ("positional_embedding", "text_projection", "logit_scale", "logit_bias")


class OpenClipBackbone(Backbone):
    """An image tower of open_clip: its feature map for pooling, or the projection into the space of the texts."""

    def forward(self, images: Tensor) -> Tensor:
        """Computes features (B, w, h, w), or (B, d) when native, of normalised images (B, 3, H, W)."""
        if self.native:
            return self.model(images)
        outputs = self.model.forward_intermediates(images, indices=1, normalize_intermediates=True, output_fmt="NCHW")
        return outputs["image_intermediates"][-1]


def build(
    name: str, options: Mapping[str, Any], *, native: bool, weights: str, text: bool, text_folder: Path | None
) -> Towers:
    """Returns a model by ``NAME`` or ``NAME:TAG``; the arguments are those of ``build_towers``.

    A tag decides the activation (QuickGELU or not) as well as the preprocessing.
    """
    import open_clip

    backbone, with_text = f"open_clip/{name}", text and native
    architecture, _, tag = name.partition(":")
    configuration = _configuration(architecture, options)
    said = _said_by_tag(architecture, tag)
    if tag and said.get("quick_gelu") and "quick_gelu" not in options:
        configuration["quick_gelu"] = True  # left out by the names of some of OpenAI's models
    tower = _text_configuration(configuration["text_cfg"], text_folder) if with_text else NO_TEXT
    with refusing_options(backbone, options), _having_files(backbone, tower):
        model = open_clip.CustomTextCLIP(**configuration | {"text_cfg": tower})
        tokenizer = _tokenizer(tower) if with_text else None
    if weights != "none":
        state = _download(architecture, tag) if weights == "pretrained" else read_safetensors(Path(weights))
        _load(model, state, backbone=backbone, weights=weights, with_text=with_text)
    image = OpenClipBackbone(model.visual, native=native, preparation=_preparation(model.visual, said))
    if tokenizer is None:
        return Towers(image)
    return Towers(image, TextTower(model.text, tokenizer, logit_scale=model.logit_scale, logit_bias=model.logit_bias))


def _configuration(architecture: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the constructor's arguments: the model's configuration, overridden by ``options``."""
    import open_clip

    configuration = open_clip.get_model_config(architecture) if architecture in open_clip.list_models() else None
    if configuration is None:
        raise unknown(f"open_clip/{architecture}", [f"open_clip/{known}" for known in open_clip.list_models()])
    if "multimodal_cfg" in configuration:
        raise UserError(
            f"backbone open_clip/{architecture} writes captions and is not supported; choose one without coca"
        )
    if refused := set(options) - set(OPTIONS):
        raise UserError(
            f"backbone open_clip/{architecture} cannot be built with backbone_options {dict(options)}: "
            f"{min(refused)} is none of {', '.join(OPTIONS)}"
        )
    configuration.pop("custom_text", None)
    configuration |= dict(options)
    configuration["vision_cfg"] = {**configuration["vision_cfg"], "timm_model_pretrained": False}
    return configuration


def _said_by_tag(architecture: str, tag: str) -> dict[str, Any]:
    """Returns open_clip's facts on pretrained weights; without a tag on the preprocessing alone, if all tags say the
    same.
    """
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag:
        if tag not in tags:
            raise unknown_tag(f"open_clip/{architecture}", tag, tags)
        return open_clip.get_pretrained_cfg(architecture, tag)
    every = [_prepared(open_clip.get_pretrained_cfg(architecture, known)) for known in tags]
    return every[0] if every and all(facts == every[0] for facts in every) else {}


def _prepared(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in PREPARED if said.get(name) is not None}


def _preparation(visual: Any, said: Mapping[str, Any]) -> Preparation:
    from open_clip.transform import PreprocessCfg

    facts = {**asdict(PreprocessCfg()), **_prepared(said)}
    size = visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return Preparation(
        size=height if height == width else 0,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        fit=facts["resize_mode"],
        crop=1.0,
        interpolation="bilinear" if facts["interpolation"] == "bilinear" else "bicubic",
        fill=(facts["fill_color"],) * 3,
    )


def _text_configuration(given: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Returns the text tower's arguments; with a folder, a tower of transformers is read from it instead of fetched."""
    local = {} if folder is None else dict.fromkeys(("hf_model_name", "hf_tokenizer_name"), str(folder))
    configuration = {name: local[name] if value and name in local else value for name, value in given.items()}
    return {**configuration, "hf_model_pretrained": False}


def _tokenizer(tower: Mapping[str, Any]) -> Any:
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

    context = tower.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = tower.get("tokenizer_kwargs") or {}
    if source := tower.get("hf_tokenizer_name"):
        return HFTokenizer(source, context_length=context, tokenizer_mode=tower.get("tokenizer_mode"), **options)
    return SimpleTokenizer(context_length=context, **options)


@contextmanager
def _having_files(backbone: str, tower: Mapping[str, Any]) -> Iterator[None]:
    """Turns an error of transformers about files that it has not and cannot fetch into one sentence."""
    try:
        yield
    except OSError as error:
        names = {tower[name] for name in ("hf_model_name", "hf_tokenizer_name") if tower.get(name)}
        raise UserError(
            f"the text tower of {backbone} needs the configuration and the tokenizer of {' and '.join(sorted(names))}, "
            f"which could not be downloaded ({one_line(error)}); connect once, or name a folder that has them as "
            "hf_model_name and hf_tokenizer_name in text_cfg of backbone_options, or do without texts: pooling gem"
        ) from error


def _download(architecture: str, tag: str) -> dict[str, Tensor]:
    import open_clip

    if not tag:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        names = ", ".join(f"open_clip/{architecture}:{known}" for known in tags)
        raise UserError(f"weights pretrained needs a tag in backbone open_clip/{architecture}; there are {names}")
    try:
        path = open_clip.download_pretrained(open_clip.get_pretrained_cfg(architecture, tag))
        return open_clip.factory.load_state_dict(path, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise no_download(f"open_clip/{architecture}:{tag}", error) from error


def _load(model: Any, state: dict[str, Tensor], *, backbone: str, weights: str, with_text: bool) -> None:
    try:
        given = _converted(model, state)
    except Exception as error:  # open_clip takes for granted that the names are those of the architecture
        raise misfit(backbone, weights, [one_line(error)]) from error
    if not with_text:
        model, given = nn.ModuleDict({"visual": model.visual}), without(given, TEXT_PARTS, kept=())
        given = {name: value for name, value in given.items() if name not in TEXT_TENSORS}
    load_strictly(model, given, backbone=backbone, weights=weights)


def _converted(model: Any, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a checkpoint of open_clip or of OpenAI, of any age, in the names of today."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed

    given = {name.removeprefix("module."): value for name, value in state.items()}
    given = {name: value for name, value in given.items() if name not in BUFFERS}
    given = convert_to_custom_text_state_dict(convert_state_dict(model, given))
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name)
        if own is not None and name in given:
            given[name] = given[name].reshape(own.shape)
    if model.logit_bias is not None:
        given.setdefault("logit_bias", model.logit_bias.detach())  # CLIP's weights for SigLIP's loss
    resize_pos_embed(given, model)
    return given
