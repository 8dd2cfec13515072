"""cbir.encoders.text: words to vectors, as open_clip makes them, also where there is no network."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, attach_heads, build_encoder, load_encoder
from cbir.encoders.layers import Head
from cbir.encoders.text import TextTower
from tests.support.clip import TINY, multilingual_options

TEXTS = ["cavalry crossing a river", "la cavalerie traverse une rivière, " * 9, "été"]


def build(options: dict[str, Any] = TINY, backbone: str = "open_clip/ViT-B-32", **changes: Any) -> Encoder:
    chosen: dict[str, Any] = {"image_size": 0, "resize": "model", "pooling": "native"}
    return build_encoder(backbone=backbone, backbone_options=options, **chosen | changes)


def tower(encoder: Encoder) -> TextTower:
    assert encoder.text is not None
    return encoder.text


def test_texts_are_cut_at_the_context_length_as_open_clip_cuts_them() -> None:
    tokens = tower(build()).tokenize(TEXTS)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, open_clip.tokenize(TEXTS, context_length=16))


@pytest.mark.parametrize("backbone", ["open_clip/ViT-B-32", "open_clip/ViT-B-16-SigLIP"])
def test_vectors_and_scales_are_those_of_open_clip(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = open_clip.create_model(backbone.partition("/")[2], **TINY).eval()
    with torch.no_grad():
        model.logit_scale.fill_(3.5)
        expected = model.encode_text(open_clip.tokenize(TEXTS, context_length=16), normalize=True).numpy()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    own = tower(build(backbone=backbone, weights=str(tmp_path / "weights.safetensors")))
    assert np.allclose(own.encode(TEXTS), expected, atol=1e-5)
    assert own.logit_scale == 3.5
    if "SigLIP" in backbone:
        assert own.logit_bias == model.logit_bias == -10
    else:
        assert own.logit_bias is None


def test_a_vector_does_not_depend_on_the_texts_beside_it() -> None:
    text = tower(build())
    together = text.encode(TEXTS, batch_size=2)
    alone = np.concatenate([text.encode([words], batch_size=2) for words in TEXTS])
    assert np.array_equal(together, alone)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("texts", [[], [""], ["a horse", "  "]])
def test_a_text_without_words_is_refused(texts: list[str]) -> None:
    with pytest.raises(UserError, match="a text to embed must hold words, there is"):
        tower(build()).encode(texts)


def test_features_pass_the_head_and_are_not_normalised() -> None:
    encoder = build()
    text = tower(encoder)
    tokens = text.tokenize(TEXTS)
    with torch.inference_mode():
        plain = text(tokens)
        attach_heads(encoder, Head(width=7, dropout=0.5))
        assert torch.equal(text.eval()(tokens), text.head(plain))
        assert not torch.allclose(functional.normalize(plain), plain)


def test_an_own_tower_of_open_clip_needs_no_files(tmp_path: Path) -> None:
    tower(build()).save(tmp_path / "text")
    assert not (tmp_path / "text").exists()


def test_a_multilingual_tower_is_loaded_from_what_was_saved_with_it(tmp_path: Path) -> None:
    options = multilingual_options(tmp_path / "hub")
    encoder = build(options, "open_clip/xlm-roberta-base-ViT-B-32")
    assert tower(encoder).tokenize(TEXTS).shape == (3, 16)
    expected = encoder.embed_texts(TEXTS)
    encoder.save(tmp_path / "encoder")
    shutil.rmtree(tmp_path / "hub")
    loaded = load_encoder(tmp_path / "encoder", text=True)
    assert np.array_equal(loaded.embed_texts(TEXTS), expected)
    assert load_encoder(tmp_path / "encoder").text is None


def test_a_multilingual_tower_is_saved_in_the_same_bytes_whatever_was_done_with_it(tmp_path: Path) -> None:
    options = multilingual_options(tmp_path / "hub")
    encoder = build(options, "open_clip/xlm-roberta-base-ViT-B-32")
    encoder.save(tmp_path / "before")
    encoder.embed_texts(TEXTS)
    encoder.save(tmp_path / "after")
    names = sorted(path.name for path in (tmp_path / "before/text").iterdir())
    assert names == ["config.json", "tokenizer.json", "tokenizer_config.json"]
    for name in names:
        contents = {(tmp_path / folder / "text" / name).read_bytes() for folder in ("before", "after")}
        assert len(contents) == 1
        assert not [word for word in (str(tmp_path), "local") if word.encode() in next(iter(contents))]
