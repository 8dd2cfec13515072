"""cbir.encoders.backbones.open_clip_models: image towers of open_clip, and checkpoints of any age."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cbir.base.errors import UserError
from cbir.encoders.backbones.build import build_towers
from cbir.encoders.backbones.towers import Towers
from tests.support.backbones import assert_prepares_as, offline
from tests.support.clip import TEXT, TINY, VISION, multilingual_options

NAME = "open_clip/ViT-B-32"
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
State = dict[str, Tensor]


def build(backbone: str = NAME, options: dict[str, Any] = TINY, *, native: bool = True, **changes: Any) -> Towers:
    return build_towers(backbone, options, native=native, **changes)


def model_of(name: str = "ViT-B-32", **options: Any) -> Any:
    torch.manual_seed(3)
    return open_clip.create_model(name, **TINY | options).eval()


def saved(folder: Path, state: State) -> str:
    path = folder / "weights.safetensors"
    save_file({name: value.clone().contiguous() for name, value in state.items()}, path)
    return str(path)


TOWERS: dict[str, dict[str, Any]] = {
    "transformer": VISION,
    "residual": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
    "timm's, as of SigLIP": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
}


@pytest.mark.parametrize("tower", TOWERS)
def test_native_gives_the_projection_of_open_clip(tower: str, tmp_path: Path) -> None:
    options = {"vision_cfg": TOWERS[tower], "embed_dim": 64}
    model = model_of(**options)
    size = TOWERS[tower]["image_size"]
    images = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        own = build(options=TINY | options, weights=saved(tmp_path, model.state_dict())).image.eval()(images)
        assert own.shape == (2, 64)
        assert torch.allclose(own, model.encode_image(images), atol=1e-6)


@pytest.mark.parametrize(
    ("tower", "shape"),
    [("transformer", (2, 64, 4, 4)), ("residual", (2, 256, 1, 1)), ("timm's, as of SigLIP", (2, 64, 10, 10))],
)
def test_a_feature_map_comes_from_every_kind_of_tower_and_needs_no_texts(tower: str, shape: tuple[int, ...]) -> None:
    towers = build(options=TINY | {"vision_cfg": TOWERS[tower]}, native=False)
    size = TOWERS[tower]["image_size"]
    with torch.inference_mode():
        assert towers.image.eval()(torch.rand(2, 3, size, size)).shape == shape
    assert towers.text is None


def test_without_texts_no_network_is_needed_for_their_tower() -> None:
    names = {"hf_model_name": "nobody/nothing", "hf_tokenizer_name": "nobody/nothing"}
    options = TINY | {"text_cfg": names}
    assert build(options=options, text=False).text is None
    assert build(options=options, native=False).text is None


def of_openai(state: State) -> State:
    facts = {name: torch.tensor(7) for name in ("input_resolution", "context_length", "vocab_size")}
    return {name: value.half() for name, value in state.items()} | facts


AGES: dict[str, Callable[[State], State]] = {
    "today's": lambda state: state,
    "with the buffers of the text tower": lambda state: state | {"attn_mask": torch.zeros(16, 16)},
    "of a training on several devices": lambda state: {f"module.{name}": value for name, value in state.items()},
    "with a scale of one element": lambda state: state | {"logit_scale": state["logit_scale"].reshape(1)},
    "OpenAI's, in half precision": of_openai,
}


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("custom", [False, True])
def test_checkpoints_of_every_age_are_loaded_whole(age: str, custom: bool, tmp_path: Path) -> None:
    model = model_of(force_custom_text=custom)
    weights = saved(tmp_path, AGES[age](model.state_dict()))
    towers = build(weights=weights)
    tokens = open_clip.tokenize(["a horse", "a river"], context_length=16)
    assert towers.text is not None
    with torch.inference_mode():
        exact = 1e-2 if "half" in age else 1e-6
        assert torch.allclose(towers.image.eval()(IMAGES), model.encode_image(IMAGES), atol=exact)
        assert torch.allclose(towers.text.eval()(tokens), model.encode_text(tokens), atol=exact)
        image_alone = build(weights=weights, native=False).image.eval()
    state = towers.image.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in image_alone.state_dict().items())


def test_a_checkpoint_of_transformers_text_tower_is_loaded_with_its_old_positions(tmp_path: Path) -> None:
    options = multilingual_options(tmp_path / "hub")
    options["text_cfg"]["hf_model_pretrained"] = False
    torch.manual_seed(3)
    state = open_clip.create_model("xlm-roberta-base-ViT-B-32", pretrained_text=False, **options).state_dict()
    old = state | {"text.transformer.embeddings.position_ids": torch.arange(40)[None]}
    own = build("open_clip/xlm-roberta-base-ViT-B-32", options, weights=saved(tmp_path, old))
    assert own.text is not None
    loaded = own.text.model.state_dict()
    assert loaded
    assert all(torch.equal(value, state[f"text.{name}"]) for name, value in loaded.items())


def test_another_image_size_resizes_the_positions_as_open_clip_does(tmp_path: Path) -> None:
    weights = saved(tmp_path, model_of().state_dict())
    larger = TINY | {"vision_cfg": VISION | {"image_size": 64}}
    expected = open_clip.create_model("ViT-B-32", **larger)
    open_clip.load_checkpoint(expected, weights)
    own = build(options=larger, weights=weights).image.model
    assert torch.equal(own.positional_embedding, expected.visual.positional_embedding)


def test_siglip_takes_the_weights_of_a_clip_model_and_keeps_its_bias(tmp_path: Path) -> None:
    text = build(options=TINY | {"init_logit_bias": -10}, weights=saved(tmp_path, model_of().state_dict())).text
    assert text is not None
    assert text.logit_bias == -10


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"visual.conv1.weight": None}, "visual.conv1.weight is missing;"),
        ({"text.ln_final.weight": None}, "text.ln_final.weight is missing;"),
        ({"visual.more": torch.ones(1)}, "visual.more is unknown;"),
        ({"text.more": torch.ones(1)}, "text.more is unknown;"),
        ({"visual.ln_post.weight": torch.ones(3)}, r"visual.ln_post.weight has shape \(3,\), not \(64,\);"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    state = model_of(force_custom_text=True).state_dict() | changes
    weights = saved(tmp_path, {name: value for name, value in state.items() if value is not None})
    with pytest.raises(UserError, match=f"do not fit backbone {NAME}: {reason}"):
        build(weights=weights)


def test_a_checkpoint_of_another_architecture_is_refused_in_one_sentence(tmp_path: Path) -> None:
    siglip = model_of("ViT-B-16-SigLIP", init_logit_bias=-10).state_dict()
    with pytest.raises(UserError, match=r"do not fit backbone open_clip/ViT-B-32: logit_bias is unknown;"):
        build(weights=saved(tmp_path, siglip))
    longer = model_of(text_cfg=TEXT | {"context_length": 20}).state_dict()
    with pytest.raises(UserError, match=r"text.positional_embedding has shape \(20, 32\), not \(16, 32\)"):
        build(weights=saved(tmp_path, longer))
    with pytest.raises(UserError, match=r"do not fit backbone open_clip/ViT-B-32: .* is missing \(and \d+ more\)"):
        build(weights=saved(tmp_path, {"conv1.weight": torch.ones(3)}))


def test_a_tag_decides_activation_and_preprocessing() -> None:
    assert type(build(f"{NAME}:openai").image.model.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"
    assert type(build(f"{NAME}:laion2b_s34b_b79k").image.model.transformer.resblocks[0].mlp.gelu).__name__ == "GELU"
    halves = (0.5, 0.5, 0.5)
    assert build("open_clip/ViT-L-14:laion2b_s32b_b82k").image.preparation.mean == halves
    assert build("open_clip/ViT-L-14:openai").image.preparation.mean != halves


def test_without_a_tag_the_preprocessing_is_what_all_tags_agree_on() -> None:
    siglip = build("open_clip/ViT-B-16-SigLIP").image.preparation
    assert (siglip.fit, siglip.mean) == ("squash", (0.5, 0.5, 0.5))
    assert build("open_clip/ViT-L-14").image.preparation.mean == open_clip.OPENAI_DATASET_MEAN


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ViT-B-32", "openai"),
        ("ViT-B-16-SigLIP", "webli"),
        ("ViT-B-16-SigLIP-384", "webli"),
        ("ViT-H-14-CLIPA", "datacomp1b"),
    ],
)
def test_images_are_prepared_as_open_clip_does_in_its_evaluation(name: str, tag: str) -> None:
    size = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    small = TINY | {"vision_cfg": VISION | {"image_size": size, "patch_size": size // 4}}  # the name's own size
    own = build(f"open_clip/{name}:{tag}", small).image.preparation
    said = open_clip.get_pretrained_cfg(name, tag)
    chosen = {key: said[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    transform = open_clip.image_transform(size, is_train=False, **chosen)
    assert own.size == size
    assert_prepares_as(own, transform)


def test_an_unknown_name_tag_or_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"open_clip/ViT-B32 is unknown; did you mean .*open_clip/ViT-B-32"):
        build("open_clip/ViT-B32")
    with pytest.raises(UserError, match=r"open_clip/ViT-B-32 has no pretrained tag 'opanai'; did you mean openai"):
        build(f"{NAME}:opanai")
    with pytest.raises(UserError, match=r"backbone_options .*: pretrained_image_path is none of embed_dim, vision_cfg"):
        build(options={"pretrained_image_path": "any.pt"})
    with pytest.raises(UserError, match=r"cannot be built with backbone_options .*: .*depth"):
        build(options=TINY | {"vision_cfg": {"depth": 2}})
    with pytest.raises(UserError, match="open_clip/coca_ViT-B-32 writes captions and is not supported"):
        build("open_clip/coca_ViT-B-32", {})


def test_pretrained_without_a_tag_says_which_there_are() -> None:
    with pytest.raises(UserError, match=r"needs a tag in backbone open_clip/ViT-B-32; there are open_clip/.*:openai, "):
        build(weights="pretrained")


def test_pretrained_takes_the_weights_of_its_tag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = model_of(force_custom_text=True).state_dict()
    asked: list[Any] = []

    def download(said: dict[str, Any]) -> str:
        asked.append(said)
        return saved(tmp_path, state)

    monkeypatch.setattr("open_clip.download_pretrained", download)
    loaded = build(f"{NAME}:openai", weights="pretrained").image.model.state_dict()
    assert asked == [open_clip.get_pretrained_cfg("ViT-B-32", "openai")]
    assert all(torch.equal(value, state[f"visual.{name}"]) for name, value in loaded.items())


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("open_clip.download_pretrained", offline)
    with pytest.raises(
        UserError, match=r"open_clip/ViT-B-32:openai could not be downloaded \(no route to host\); connect"
    ):
        build(f"{NAME}:openai", weights="pretrained")


def test_a_text_tower_that_cannot_be_had_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("open_clip.hf_model.AutoConfig.from_pretrained", offline)
    with pytest.raises(UserError, match=r"needs the configuration and the tokenizer of xlm-roberta-base, .*no route"):
        build("open_clip/xlm-roberta-base-ViT-B-32", {"vision_cfg": VISION})
